"""SA-W2, W2L and W2S (reference/devices.md §1, §3c).

**Fiction, by decision:** the real ones have no login shell (§0.2), and which command strings they accept was not found.
That they answer over SSH like seil8 is this product's own premise, met by its emulated adapters only: ARMS comes first.
"""

from __future__ import annotations

from controller.series import masking, noise
from controller.series.arguments import interface_name, ip_address, one_of, whole_number
from controller.series.assumed import LOGOUT, PAGER, PAGER_ANSWER, PROMPT, REFUSAL
from controller.series.declaration import Argument, Command, CommandClass, FirmwareRules, Series, Source, Via
from controller.series.keyvalue import management_config
from controller.series.parsers import (
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
    wireless,
)

_STATUS, _CLEAR = CommandClass.STATUS, CommandClass.CLEAR
_DIAGNOSTIC, _MANAGEMENT = CommandClass.DIAGNOSTIC, CommandClass.MANAGEMENT
_ASSUMED = Source.ASSUMED

_WIRELESS = ("SA-W2", "SA-W2L")  # W2S answers wireless commands as unknown ones

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
    Command("show status arp", _STATUS, _ASSUMED, parse=neighbors.arp_lines),
    Command("show status nat session", _STATUS, _ASSUMED, parse=nat.lines),
    Command("show status ike", _STATUS, _ASSUMED, parse=tunnels.ike_lines),
    Command("show status ipsec", _STATUS, _ASSUMED, parse=tunnels.ipsec_lines),
    Command("show status pppoe", _STATUS, _ASSUMED, parse=ppp.pppoe),
    Command("show status pppac", _STATUS, _ASSUMED, parse=ppp.pppac_lines),
    Command("show status dhcp server", _STATUS, _ASSUMED, parse=dhcp.lines),
    Command("show status dns-forwarder", _STATUS, _ASSUMED, parse=services.dns_upstreams),
    Command("show status ntp", _STATUS, _ASSUMED, parse=services.ntp_servers),
    Command("show status switch", _STATUS, _ASSUMED, parse=interfaces.switch_ports),
    Command("show status wlan", _STATUS, _ASSUMED, models=_WIRELESS, parse=wireless.access_points),
    Command("show status wlan client", _STATUS, _ASSUMED, models=_WIRELESS, parse=wireless.clients),
    Command("show status mobile", _STATUS, _ASSUMED, parse=wireless.dongles),
    Command("show status usb", _STATUS, _ASSUMED, parse=wireless.usb_ports),
    Command("ping", _DIAGNOSTIC, _ASSUMED, (Argument("address", ip_address), _COUNT), parse=reachability.ping),
    Command("traceroute", _DIAGNOSTIC, _ASSUMED, (Argument("address", ip_address),), parse=reachability.traceroute),
    Command("clear arp", _CLEAR, _ASSUMED),
    Command("clear nat session", _CLEAR, _ASSUMED),
    Command("clear log", _CLEAR, _ASSUMED),
    Command("reboot", _MANAGEMENT, _ASSUMED, ends_session=True),
)

SEIL6 = Series(
    name="seil6",
    title="SA-W2, W2L, W2S",
    models=("SA-W2", "SA-W2L", "SA-W2S"),
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
    vias=(Via.ARMS, Via.SSH),
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
    noise=noise.SEIL6,
    firmware=FirmwareRules(),  # one slot: ASSUMED
)
