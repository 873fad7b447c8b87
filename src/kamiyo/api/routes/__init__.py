"""One file of routes for each subject; a route reads its parameters and asks a service."""
