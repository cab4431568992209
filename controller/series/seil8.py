"""The key-value family with a shell: SEIL/X4, x86 Ayame and CA10 (reference/devices.md §1, §2, §3b).

No output of any of these commands was found in public: names, arguments and shapes are ASSUMED unless marked. The
netmiko driver that says it was tested here sends the statement family's set-up lines; that is unproven, so this series
has none and relies on a wide terminal and on answering the pager.
"""

from __future__ import annotations

from controller.series import masking, noise
from controller.series.arguments import interface_name, ip_address, one_of, whole_number
from controller.series.assumed import LOGOUT, PAGER, PAGER_ANSWER, PROMPT, REFUSAL
from controller.series.declaration import Argument, Command, CommandClass, FirmwareRules, Series, Source
from controller.series.keyvalue import management_config
from controller.series.parsers import (
    bgp,
    config,
    dhcp,
    interfaces,
    log,
    nat,
    neighbors,
    ppp,
    reachability,
    routes,
    services,
    system,
    tunnels,
)

_STATUS, _CLEAR = CommandClass.STATUS, CommandClass.CLEAR
_DIAGNOSTIC, _MANAGEMENT = CommandClass.DIAGNOSTIC, CommandClass.MANAGEMENT
_FOUND, _ASSUMED = Source.FOUND, Source.ASSUMED

_INTERFACE = Argument("interface", interface_name, optional=True)
_COUNT = Argument("packets", whole_number(1, 100), keyword="count", optional=True)

_COMMANDS = (
    Command("show system", _STATUS, _ASSUMED, parse=system.system),
    Command("show version", _STATUS, _ASSUMED, parse=system.version),
    Command(
        "show config",
        _STATUS,
        _ASSUMED,
        (Argument("which", one_of("running", "backup"), optional=True),),
        parse=config.settings,
    ),
    Command("show log", _STATUS, _ASSUMED, parse=log.entries),
    Command("show status interface", _STATUS, _ASSUMED, (_INTERFACE,), parse=interfaces.lines),
    Command("show status route", _STATUS, _ASSUMED, parse=routes.table),
    Command("show status route summary", _STATUS, _ASSUMED, parse=routes.summary),
    Command("show status route dynamic bgp summary", _STATUS, _ASSUMED, parse=bgp.summary),
    Command("show status arp", _STATUS, _ASSUMED, parse=neighbors.arp_lines),
    Command("show status ndp", _STATUS, _ASSUMED, parse=neighbors.ndp_lines),
    Command("show status nat session", _STATUS, _ASSUMED, parse=nat.lines),
    Command("show status ike", _STATUS, _ASSUMED, parse=tunnels.ike_lines),
    Command("show status ipsec", _STATUS, _ASSUMED, parse=tunnels.ipsec_lines),
    Command("show status pppoe", _STATUS, _ASSUMED, parse=ppp.pppoe),
    Command("show status pppac", _STATUS, _ASSUMED, parse=ppp.pppac_lines),
    Command("show status dhcp server", _STATUS, _ASSUMED, parse=dhcp.lines),
    Command("show status dns-forwarder", _STATUS, _ASSUMED, parse=services.dns_upstreams),
    Command("show status ntp", _STATUS, _ASSUMED, parse=services.ntp_servers),
    Command("show status bridge", _STATUS, _ASSUMED, parse=services.bridges),
    Command("ping", _DIAGNOSTIC, _ASSUMED, (Argument("address", ip_address), _COUNT), parse=reachability.ping),
    Command("traceroute", _DIAGNOSTIC, _ASSUMED, (Argument("address", ip_address),), parse=reachability.traceroute),
    Command("clear arp", _CLEAR, _ASSUMED),
    Command("clear nat session", _CLEAR, _ASSUMED),
    Command("clear log", _CLEAR, _ASSUMED),
    Command("password", _MANAGEMENT, _FOUND, interactive=True),  # makes the encrypted string for the config
    Command("reboot", _MANAGEMENT, _ASSUMED, ends_session=True),
)

SEIL8 = Series(
    name="seil8",
    title="SEIL/X4, x86 Ayame, CA10",
    models=("SEIL/X4", "SEIL/x86 Ayame", "CA10"),
    module_ids=(0,),
    config_language="key-value",
    commands=_COMMANDS,
    prompt=PROMPT,
    pager=PAGER,
    pager_answer=PAGER_ANSWER,
    refusal=REFUSAL,
    logout=LOGOUT,
    # ge0 is the WAN (FOUND, §1), and its keys are those of the key-value sample there.
    management_config=management_config("ge0"),
    management_configs={"CA10": management_config("ge4")},
    support_may=("ping", "traceroute"),  # docs/decisions/what-support-staff-may-run.md
    evidence=(
        "show config",
        "show system",
        "show version",
        "show status interface",
        "show status route",
        "show status arp",
        "show status ike",
        "show status ipsec",
        "show log",
    ),
    secrets=masking.SECRETS,
    noise=noise.SEIL8,
    firmware=FirmwareRules(dual=("SEIL/X4", "SEIL/x86 Ayame", "CA10")),  # ASSUMED
)
