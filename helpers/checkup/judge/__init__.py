"""What the measurements mean: each check returns findings."""
