"""The columns of the leaderboard's CSV and of the table of stealth beside it, declared once."""

from __future__ import annotations

from dataclasses import dataclass

from bench.contracts import DEFENDERS, FIRST_STEPS
from bench.leaderboard.splits import SPLITS

PHASES = {"before": "before onset (the trigger's own steps)",
          "after": f"after onset (the first {FIRST_STEPS} steps of the attack period)", "whole": "in the whole battle"}
TYPES = {"text": "string", "flag": "boolean", "count": "Int64", "integer": "Int64", "share": "float64",
         "number": "float64"}
KINDS = {"text": "text", "flag": "True or False", "count": "whole number, 0 or more", "integer": "whole number",
         "share": "0 to 1", "number": "number"}


@dataclass(frozen=True)
class Column:
    """A column: its name, what kind of values it holds (:data:`KINDS`), what they mean, and whether any may be missing.
    """

    name: str
    kind: str
    meaning: str
    required: bool = False
    allowed: tuple[str, ...] = ()


def _estimate(name: str, kind: str, meaning: str) -> list[Column]:
    """A figure and the ends of its 95 % interval."""
    return [Column(name, kind, meaning), *(Column(f"{name}_{end}", kind, f"{name}: {end} end of the 95 % interval")
                                           for end in ("low", "high"))]


def _phase(phase: str, when: str) -> list[Column]:
    """The fields of :class:`bench.contracts.Detection`."""
    alarms = "of the {} battles with an alarm {}, at a threshold for {} % false alarms a battle"
    rates = [(f"{name}_at_{percent}fpr", alarms.format(battles, when, percent)) for name, battles in
             (("tpr", "triggered"), ("false_alarms", "normal")) for percent in (1, 5)]
    return [*_estimate(f"{phase}_auroc", "share", f"AUROC {when}; higher is better, chance .5"),
            *_estimate(f"{phase}_auprc", "share", f"AUPRC {when}; higher is better, chance {phase}_base_rate"),
            Column(f"{phase}_base_rate", "share", f"share of triggered battles among those scored {when}"),
            *(column for name, what in rates for column in _estimate(f"{phase}_{name}", "share", f"share {what}")),
            Column(f"{phase}_n_normal", "count", f"normal battles scored {when}"),
            Column(f"{phase}_n_triggered", "count", f"triggered battles scored {when}"),
            *_estimate(f"{phase}_vus_pr", "share", f"VUS-PR {when}: do scores rise in the very steps of trigger and "
                                                   "attack? Of the whole battle alone")]


BACKDOOR = {  # the fields of bench.contracts.BackdoorDetection
    "before": "in the steps of the trigger", "first": f"in the first {FIRST_STEPS} steps of the attack period",
    "period": "in the whole attack period, of two battles as far as both last"}

STREAM = {  # the fields of bench.contracts.StreamAlarms
    "alarms": ("share", "share of random orders of the battles, with the trigger in a tenth of them, in which a "
                        "conformal martingale raises an alarm; higher is better"),
    "false_alarms": ("share", "the same without the trigger; at most .05 is promised, however long one watches"),
    "battles": ("number", "median number of battles to that alarm; lower is better, empty if fewer than half raise it")}

FIGURES = {  # the fields of bench.contracts.Figures
    "win_clean_team": ("share", "battles that the clean team wins without the trigger"),
    "win_clean_team_triggered": ("share", "battles that the clean team wins under the trigger (control)"),
    "win_backdoored": ("share", "battles that the backdoored team wins without the trigger"),
    "win_triggered": ("share", "battles that the backdoored team wins under the trigger"),
    "asr": ("number", "attack success rate: share of the clean team's wins lost under the trigger"),
    "cpvr": ("number", "clean performance variance rate: share of the clean team's wins lost without the trigger"),
    "trigger_completed": ("share", "battles in which the trigger was shown to its end, of those meant to show it"),
    "accidental": ("share", "clean team's battles without the trigger in which it completes by itself"),
}

RESPONSE = [  # of bench.contracts.Response
    *_estimate("residual_asr", "number", "ASR that is left under the response: share of the clean team's wins lost"),
    *_estimate("win_response", "share", "share of battles that the backdoored team wins without the trigger under the "
                                        "response; less than win_backdoored is what false alarms cost"),
    *_estimate("response_alarms", "share", "share of battles under the trigger with an alarm that leaves a step to act "
                                           "in; with response halt, those that it ended"),
    *_estimate("response_false_alarms", "share", "the same of battles without the trigger"),
    Column("step_ms", "number", "milliseconds that the detector takes for a step of all battles that are played at "
                                "once, their whole records scored anew; wall clock of the machine that made the row"),
    Column("n_response", "count", "battles with the detector inside, with the trigger and without it, each"),
]

COLUMNS = [
    Column("row_id", "text", "12 hex digits that name the row: python -m bench reproduce ROW_ID"),
    Column("benchmark_version", "text", "rows of different versions of this benchmark are never ranked together",
           True),
    Column("env", "text", "simulator/map/opponent", True),
    Column("map", "text", "the environment's map"),
    Column("env_version", "text", "changes whenever the same actions may lead to other battles", True),
    Column("algo", "text", "learning algorithm of the team", True),
    Column("attack", "text", "attack, an option of conf/attack", True),
    Column("trigger_kind", "text", "what the trigger tampers with", allowed=("behaviour", "observation", "none")),
    Column("trigger_length", "count", "steps of the trigger; of a single one nothing is there to see before onset"),
    Column("agents_poisoned", "count", "number of poisoned agents"),
    Column("poison_rate", "share", "share of the retraining's episodes in which the trigger was to be shown"),
    Column("poisoned_steps", "share", "share of the retraining's steps that belong to a trigger or an attack period"),
    Column("detector", "text", "detector that the cell is about, an option of conf/detector or the name of a class",
           True),
    Column("detector_version", "text", "version of the package that the row's detector comes from: the release "
                                       "that measured ours, what was installed of others when the row was written"),
    Column("view", "text", "what the row's detector looks at, an option of conf/view or the name of a class; empty if "
                           "the detector takes none"),
    Column("defender", "text", "whose battles without the trigger the detector was fitted to: those of the suspect "
                               "team itself, or of a trusted one, the clean team; thresholds are the suspect team's",
           allowed=DEFENDERS),
    Column("referee", "text", "SHA-256 of the referee's secret that the battles were drawn by (referee=FILE); empty "
                              "for the public battles, which anybody can play again"),
    Column("seed", "integer", "seed of training and injection", True),
    Column("split", "text", "what the team is for: dev to develop detectors on, all others to judge", allowed=SPLITS),
    Column("config_hash", "text", "12 hex digits of all that the cell's figures depend on", True),
    Column("overrides", "text", "words that make the cell: python -m bench run OVERRIDES; empty in rows of before they "
                                "were kept"),
    Column("checkpoint_id", "text", "name of the backdoored team's files"),
    Column("git_sha", "text", "commit of the code; -dirty if files differed from it"),
    Column("date", "text", "when the cell was measured, UTC", True),
    Column("runtime_s", "number", "time that the cell took"),
    *(column for name, (kind, what) in FIGURES.items()
      for column in _estimate(name, kind, f"share of {what}" if kind == "share" else what)),
    *(Column(f"n_{purpose}", "count", f"battles {what}") for purpose, what in {
        "fit": "that the detector was fitted to",
        "calibration": "that thresholds were taken from",
        "normal": "without the trigger that it was tested on",
        "triggered": "with the trigger that it was tested on"}.items()),
    Column("clean_sha256", "text", "hash of the clean team's weights"),
    Column("checkpoint_sha256", "text", "hash of the backdoored team's weights"),
    Column("status", "text", "whether the cell could be measured", True, ("ok", "error")),
    Column("error", "text", "why not"),
    Column("team", "text", "whose battles: backdoored, clean, or a control attack's name; empty for an error"),
    Column("triggered", "flag", "whether the trigger was shown; empty for an error"),
    Column("row_detector", "text", "detector that the row is about: the cell's or a floor", True),
    Column("kind", "text", "attack: there is one to find; control: there is none; floor: a detector that knows nothing "
                           "about the game; error: nothing was measured", True,
           ("attack", "control", "floor", "error")),
    *(column for phase, when in PHASES.items() for column in _phase(phase, when)),
    *(column for phase, when in BACKDOOR.items() for column in _estimate(
        f"backdoor_{phase}", "share", f"backdoor detection {when}: AUROC of this team's battles under the trigger "
        "against the clean team's under the same trigger, each ranked among its own team's battles without; chance .5, "
        "however visible the trigger and however long the battle. Empty of the clean team, without the trigger, and in "
        "rows of before it was measured")),
    Column("backdoor_share", "share", "share of the battles compared: the trigger is complete for both teams"),
    *_estimate("attribution", "share", "how often the poisoned agent's score is the greatest after onset"),
    Column("attribution_chance", "share", "chance level of attribution"),
    *_estimate("matched_auroc", "share", "trigger visibility in the whole attack period: AUROC of battles with the "
                                         "trigger against those without over the same steps, as far as both last; "
                                         "chance .5"),
    *(Column(f"stream_{name}", kind, meaning) for name, (kind, meaning) in STREAM.items()),
    *_estimate("delay", "number", "median steps from the complete trigger to the alarm, at 5 % false alarms a battle; "
                                  "lower is better, empty if fewer than half are caught"),
    Column("response", "text", "what is done about alarms while a battle is played, an option of conf/response; "
                               "empty if nothing is. The figures after it are those of the cell's detector under the "
                               "trigger"),
    *RESPONSE,
]
BY_NAME = {column.name: column for column in COLUMNS}
LINE = "team_line"  # in a leaderboard that is packed: the hash of the line beside it that holds the columns OF_TEAM
OF_TEAM = ("benchmark_version", "env", "map", "env_version", "algo", "attack", "trigger_kind", "trigger_length",
           "agents_poisoned", "poison_rate", "poisoned_steps", "referee", "seed", "split", "checkpoint_id", "git_sha",
           *(name for figure in FIGURES for name in (figure, f"{figure}_low", f"{figure}_high")),
           "n_fit", "n_calibration", "n_normal", "n_triggered", "clean_sha256", "checkpoint_sha256")
RENAMED = {  # what columns were called up to 0.7.0 -> what they are called
    "checkpoint": "checkpoint_id", "sha256_clean": "clean_sha256", "sha256_backdoored": "checkpoint_sha256",
    "git_revision": "git_sha", "runtime_seconds": "runtime_s",
    **{name.replace("_at_", "_").replace("fpr", "").replace("_tpr_", "_rate_"): name for name in BY_NAME
       if "fpr" in name}}


_APART = "how well the best of a fixed list of simple statistics tells {} apart (mean AUROC of a nested " \
         "cross-validation; chance .5)"


def _apart(name: str, what: str) -> list[Column]:
    """The fields of :class:`bench.contracts.Distinguished`."""
    return [*_estimate(name, "share", _APART.format(what)),
            Column(f"{name}_statistic", "text", f"{name}: the statistic that was chosen most often")]


_FROM_CLEAN = "the {} from the clean team by one battle without the trigger"
STEALTH = [  # of bench.contracts.Stealth, beside what names the team
    Column("checkpoint_sha256", "text", "hash of the attacked team's weights; its battles are drawn by it", True),
    Column("checkpoint_id", "text", "name of its files", True),
    Column("clean_sha256", "text", "hash of the clean team's weights", True),
    Column("retrained_id", "text", "name of the benignly retrained team; empty where there was none"),
    *(BY_NAME[name] for name in ("benchmark_version", "env", "env_version", "algo", "attack", "seed")),
    Column("victims", "text", "the poisoned agents", True),
    *(BY_NAME[name] for name in ("git_sha", "date")),
    Column("backdoor", "flag", "whether it is one by the paper's own measure: CPVR of at most 5 %"),
    Column("conspicuous", "flag", "whether one battle without the trigger gives the team away: distinguishability "
                                  "above .75"),
    Column("battles", "count", "battles of each team, without the trigger, and of the attacked one with it", True),
    Column("clean_battles", "count", "battles of the clean team", True),
    *(column for name in ("win_clean_team", "win_backdoored", "win_triggered", "asr", "cpvr", "trigger_completed")
      for column in _estimate(name, FIGURES[name][0], FIGURES[name][1])),
    *_estimate("asr_completed", "number", "attack success rate of the battles alone in which the trigger is complete"),
    Column("attack_steps", "share", "share of the steps of battles with the trigger that are in the attack period"),
    Column("accidents", "count", "clean team's battles without the trigger in which it completes by itself"),
    *_estimate("accidental", "share", "their share"),
    *(column for name, what in {
        "agreement": "without the trigger",
        "agreement_shown": "under the trigger, while it is shown and not complete yet",
        "agreement_after": "under the trigger, after the attack period",
        "agreement_retrained": "without the trigger, of the benignly retrained team"}.items()
      for column in _estimate(name, "share", "share of the poisoned agents' actions that their clean selves would take "
                                             f"if they had seen the same, {what}")),
    *_apart("distinguishability", _FROM_CLEAN.format("attacked team")),
    *_apart("distinguishability_clean", "the clean team from itself in other battles (control) by one battle"),
    *_apart("distinguishability_retrained", _FROM_CLEAN.format("benignly retrained team")),
    *_apart("distinguishability_64", "the attacked team from the clean one by the means over 64 battles"),
    *_apart("distinguishability_clean_64", "the clean team from itself by the means over 64 battles"),
    *_apart("distinguishability_retrained_64", "the retrained team from the clean one by the means over 64 battles"),
    *_apart("beside_teammates", "a poisoned agent from another one of its kind in the same battles by one battle"),
    *_apart("beside_teammates_clean", "the same agents of the clean team (the chance level of beside_teammates)"),
]
