"""What answers requests: HTTP, who calls, recorded calls, ordered faults, the control requests."""
