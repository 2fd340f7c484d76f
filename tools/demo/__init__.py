"""The demo: one CA in three accounts on the sandbox, each claim checked: `make demo`."""
