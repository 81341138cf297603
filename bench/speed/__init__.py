"""How fast teams play and learn, beside the bare simulator and beside another project's own script."""
