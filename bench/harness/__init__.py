"""From a configuration to teams, cells, sweeps and their files."""
