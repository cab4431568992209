"""The emulated adapter as the server reaches it: it is asked for operations, and sends heartbeats.

operations: what each operation does · modules, configure: configs that are pushed · heartbeat: what it reports of
itself. The wire, transactions and who is called when are in the other modules.
"""
