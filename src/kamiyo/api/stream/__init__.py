"""The live stream: one relay numbers the outbox, each server's hub reads it once, sessions send it on."""
