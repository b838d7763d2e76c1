"""What `rotator check` looks at, one room for each kind of thing, and how it is shown."""
