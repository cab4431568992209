"""The emulated adapter as the server reaches it: it is asked for operations, and sends heartbeats.

contact: what one adapter holds · confirm: the step that gets it in touch, and ends a configure · tunnel, simple: the
two ways · requests, outcomes: what comes in, what goes back · pulse, datagrams: when heartbeats go out, and how ·
operations, diagnosis, typed: what each operation does · modules, configure: configs that are pushed · heartbeat: what
it reports of itself · host: what all this asks of the fleet.
"""
