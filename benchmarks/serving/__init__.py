"""What serving costs, each claim beside its baseline in the same run."""
