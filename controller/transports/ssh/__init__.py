"""The SSH engine: one interactive shell per adapter, the declared lines, the exact bytes they printed."""
