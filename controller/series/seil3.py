"""The statement family: SEIL/X1, X2, B1, BPV4 and x86 Fuji (reference/devices.md §1, §2, §3a).

Not declared, so never sent: configuration statements (row 14). On this family they act at once when typed; a config
travels by pull or push, never through the shell.
"""

from __future__ import annotations

import re

from controller.series import masking, noise
from controller.series.arguments import (
    function_word,
    interface_name,
    ip_address,
    ipv4_address,
    ipv6_address,
    one_of,
    whole_number,
)
from controller.series.assumed import LOGOUT, PAGER, PAGER_ANSWER, PROMPT, REFUSAL
from controller.series.declaration import (
    Argument,
    Command,
    CommandClass,
    ExecMode,
    FirmwareRules,
    OldAlgorithms,
    Series,
    Source,
)
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
    system,
    tunnels,
    wireless,
)

_STATUS, _CLEAR = CommandClass.STATUS, CommandClass.CLEAR
_DIAGNOSTIC, _MANAGEMENT = CommandClass.DIAGNOSTIC, CommandClass.MANAGEMENT
_FOUND, _ASSUMED = Source.FOUND, Source.ASSUMED

_X86 = ("SEIL/x86 Fuji",)
_MOBILE = ("SEIL/X1", "SEIL/X2", "SEIL/B1")  # the models in the dialup-device page

_FUNCTION = Argument("function", function_word, optional=True)
_INTERFACE = Argument("interface", interface_name)
_COUNT = Argument("packets", whole_number(1, 100), keyword="count", optional=True)

_COMMANDS = (
    # 1-6, 8: what a support engineer reads
    Command("show system", _STATUS, _FOUND, parse=system.system),
    Command("show config", _STATUS, _FOUND, (_FUNCTION,), parse=config.statements),
    Command("show log", _STATUS, _FOUND, parse=log.entries),
    Command("show status route", _STATUS, _FOUND, parse=routes.table),
    Command("show status route summary", _STATUS, _FOUND, parse=routes.summary),
    Command("show status route dynamic bgp", _STATUS, _FOUND, parse=bgp.summary),
    Command("show status route dynamic bgp summary", _STATUS, _FOUND, parse=bgp.summary),
    Command(
        "show status route dynamic bgp neighbor",
        _STATUS,
        _FOUND,
        (Argument("neighbor", ip_address),),
        parse=bgp.neighbor,
    ),
    Command(
        "show status interface",
        _STATUS,
        _FOUND,
        (Argument("interface", interface_name, optional=True),),
        parse=interfaces.blocks,
    ),
    Command("show key", _STATUS, _FOUND, models=_X86, parse=system.keys),
    # 16-21: names assumed, parallel to seil8
    Command("show status arp", _STATUS, _ASSUMED, parse=neighbors.arp_table),
    Command("show status ndp", _STATUS, _ASSUMED, parse=neighbors.ndp_table),
    Command("show status nat session", _STATUS, _ASSUMED, parse=nat.table),
    Command("show status ipsec", _STATUS, _ASSUMED, parse=tunnels.ipsec_table),
    Command("show status ike", _STATUS, _ASSUMED, parse=tunnels.ike_table),
    Command("show status pppac", _STATUS, _ASSUMED, parse=ppp.pppac_table),
    Command("show status ppp", _STATUS, _ASSUMED, parse=ppp.ppp),
    Command("show status dhcp", _STATUS, _ASSUMED, parse=dhcp.table),
    Command("show status dialup-device", _STATUS, _ASSUMED, models=_MOBILE, parse=wireless.dialup_devices),
    # 22: they send packets into the customer's network
    Command("ping", _DIAGNOSTIC, _ASSUMED, (Argument("address", ipv4_address), _COUNT), parse=reachability.ping),
    Command("ping6", _DIAGNOSTIC, _ASSUMED, (Argument("address", ipv6_address), _COUNT), parse=reachability.ping),
    Command("traceroute", _DIAGNOSTIC, _ASSUMED, (Argument("address", ip_address),), parse=reachability.traceroute),
    # 23: what was counted or learned is gone afterwards
    Command("clear arp", _CLEAR, _ASSUMED),
    Command("clear nat session", _CLEAR, _ASSUMED),
    Command("clear log", _CLEAR, _ASSUMED),
    # 8-13, 23: the adapter behaves differently afterwards
    Command("install-key from stdin", _MANAGEMENT, _FOUND, models=_X86, interactive=True),
    Command("set boot mode", _MANAGEMENT, _FOUND, (Argument("mode", one_of("standalone", "smfv2")),), models=_X86),
    Command("save-to", _MANAGEMENT, _FOUND, (Argument("where", one_of("flashrom", "remote", "storage", "stdout")),)),
    Command("load-from stdin", _MANAGEMENT, _FOUND, interactive=True),
    Command("load-from remote", _MANAGEMENT, _FOUND),
    Command("report-to", _MANAGEMENT, _FOUND, (Argument("where", one_of("remote", "storage")),)),
    Command("report-to stdout", _MANAGEMENT, _FOUND),  # by itself: it only prints
    Command(
        "password",
        _MANAGEMENT,
        _FOUND,
        (
            Argument("account", one_of("admin", "user"), optional=True),
            Argument("algorithm", one_of("old", "des", "md5", "blowfish"), keyword="algorithm", optional=True),
            Argument("compatibility", one_of("on", "off"), keyword="compatibility", optional=True),
        ),
        interactive=True,
    ),
    Command("environment pager", _MANAGEMENT, _FOUND, (Argument("pager", one_of("on", "off")),)),
    Command("environment terminal auto-size", _MANAGEMENT, _FOUND),
    Command("environment terminal column", _MANAGEMENT, _FOUND, (Argument("columns", whole_number(1, 511)),)),
    Command("environment terminal row", _MANAGEMENT, _FOUND, (Argument("rows", whole_number(1, 511)),)),
    Command("environment login-timer", _MANAGEMENT, _FOUND, (Argument("timer", whole_number(0, 86400)),)),
    Command("connect", _MANAGEMENT, _ASSUMED, (_INTERFACE,)),
    Command("disconnect", _MANAGEMENT, _ASSUMED, (_INTERFACE,)),
    Command("update firmware", _MANAGEMENT, _ASSUMED),
    Command("reboot", _MANAGEMENT, _ASSUMED, ends_session=True),
)

SEIL3 = Series(
    name="seil3",
    title="SEIL/X1, X2, B1, BPV4, x86 Fuji",
    models=("SEIL/X1", "SEIL/X2", "SEIL/B1", "SEIL BPV4", "SEIL/x86 Fuji"),
    module_ids=(0, 1),
    sa_types={"SEIL/B1": 15},  # the only one found (§6); the others are not known
    config_language="statements",
    commands=_COMMANDS,
    prompt=PROMPT,
    pager=PAGER,
    pager_answer=PAGER_ANSWER,
    set_up=("environment pager off", "environment terminal column 511"),
    refusal=REFUSAL,
    logout=LOGOUT,
    exec_mode=ExecMode(  # INFERRED from the vendor's own tool, x86 5.92 era (§2)
        prefix=re.compile(rb"[0-9a-f]{8}: "),
        chatter=re.compile(rb"success|exit\(\d+\)\."),
        refused=re.compile(rb"exit\([1-9]\d*\)\."),
    ),
    # lan1 is the WAN (FOUND, §1). That an interface and the default route take "dhcp" is ASSUMED.
    management_config=b"interface lan1 add dhcp\nroute add default dhcp\nsshd disable\ntelnetd disable\n",
    # No SHA-2 MAC in this line's sshd page, RSA host keys, and a key exchange of its time (assumed). Its 3des, arcfour,
    # md5 and DSA are left out: a line that has nothing better is reported as such, not talked to.
    old_algorithms=OldAlgorithms(
        key_exchange=("diffie-hellman-group14-sha1",),
        ciphers=("aes128-cbc", "aes256-cbc"),
        macs=("hmac-sha1",),
        host_keys=("ssh-rsa",),
    ),
    support_may=("ping", "ping6", "traceroute", "report-to stdout"),  # docs/decisions/what-support-staff-may-run.md
    evidence=(
        "show config",
        "show system",
        "show status interface",
        "show status route",
        "show status arp",
        "show status ike",
        "show status ipsec",
        "show log",
    ),
    secrets=masking.SECRETS,
    noise=noise.SEIL3,
    firmware=FirmwareRules(dual=("SEIL/x86 Fuji",)),  # ASSUMED
)
