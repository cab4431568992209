"""ARMS push: requests through the tunnels that adapters hold (tunnels), or to their own endpoints (simple)."""
