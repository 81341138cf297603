"""The estimators of other packages that anybody's file may choose for a detector: outlier detectors for tables.

Named one by one, so that a file cannot reach other callables of these packages. What takes other estimators, loads
models, or is for graphs, series or text is left out.
"""

from __future__ import annotations

_SKLEARN = ("covariance.EllipticEnvelope", "ensemble.IsolationForest", "linear_model.SGDOneClassSVM",
            "neighbors.LocalOutlierFactor", "svm.OneClassSVM")
_PYOD = ("abod.ABOD", "ae1svm.AE1SVM", "alad.ALAD", "anogan.AnoGAN", "auto_encoder.AutoEncoder", "cblof.CBLOF", "cd.CD",
         "cof.COF", "copod.COPOD", "deep_svdd.DeepSVDD", "dif.DIF", "ecod.ECOD", "gmm.GMM", "hbos.HBOS",
         "hdbscan.HDBSCAN", "iforest.IForest", "inne.INNE", "kde.KDE", "knn.KNN", "kpca.KPCA", "lmdd.LMDD", "loci.LOCI",
         "loda.LODA", "lof.LOF", "lunar.LUNAR", "mad.MAD", "mcd.MCD", "mo_gaal.MO_GAAL", "ocsvm.OCSVM", "pca.PCA",
         "qmcd.QMCD", "rgraph.RGraph", "rod.ROD", "sampling.Sampling", "so_gaal.SO_GAAL", "so_gaal_new.SO_GAAL",
         "sod.SOD", "sos.SOS", "vae.VAE")
ESTIMATORS = frozenset([*(f"sklearn.{name}" for name in _SKLEARN), *(f"pyod.models.{name}" for name in _PYOD)])
