"""The command line: verbs over HTTP, and the few that run the program itself."""
