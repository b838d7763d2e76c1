"""What to do next: `seen` has the facts of one look, `table` the order in which they rule. Pure."""
