collect_ignore = ["programs"]  # what is checked there is read, never run
