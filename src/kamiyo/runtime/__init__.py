"""The composition root: settings, wiring, processes and the embedded engines."""
