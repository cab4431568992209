"""A startup config for a generated entry: what a branch office's adapter would have, in its own language.

Composed for this product after the published statement and key forms; every address is from a private or documentation
range (RFC 1918, RFC 5737).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Site:
    """What differs between two branches. net: the first three octets of its /24; wan: its own global address."""

    hostname: str
    code: str
    net: str
    wan: str
    wan_gateway: str
    peer: str
    secret: str
    lan_port: str
    wan_port: str
    wlan_2g: bool = False
    wlan_5g: bool = False


def config(series: str, site: Site) -> str:
    """The whole config, lines ended by LF."""
    text = _TEXTS[series].format_map(asdict(site))
    if site.wlan_2g:
        text += _WLAN.format(name="wlan0", hostname=site.hostname, secret=site.secret, mode="11nht20", band="2g")
    if site.wlan_5g:
        text += _WLAN.format(name="wlan4", hostname=site.hostname, secret=site.secret, mode="11ac", band="5g")
    return text


_SEIL3 = """\
hostname "{hostname}"
timezone "Japan"
environment login-timer 300
environment pager on
ppp add isp keepalive 30 ipcp enable ipcp-address on ipcp-dns on authentication-method chap \
identifier "{code}@example.jp" passphrase "{secret}" tcp-mss auto
interface {lan_port} add {net}.1/24
interface pppoe0 over {wan_port}
interface pppoe0 ppp-configuration isp
interface ipsec0 tunnel {wan} {peer}
route add default pppoe0
route add 10.0.0.0/8 ipsec0
nat napt add private {net}.0-{net}.255 interface pppoe0
nat reflect add interface pppoe0
filter add ike interface pppoe0 direction in action pass protocol udp srcport 0-65535 dst self dstport 500 \
state disable logging off enable
filter add esp interface pppoe0 direction in action pass protocol esp dst self state disable logging off enable
filter add blk_telnet interface pppoe0 direction in action block protocol tcp srcport 0-65535 dst self dstport 23 \
state disable logging on enable
filter add blk_http interface pppoe0 direction in action block protocol tcp srcport 0-65535 dst self dstport 80 \
state disable logging on enable
filter add out interface pppoe0 direction out action pass protocol any state enable logging off enable
resolver address add 192.0.2.53
dns forwarder enable
ntp server add 192.0.2.123
dhcp enable
dhcp mode server
dhcp interface {lan_port} enable
dhcp interface {lan_port} pool {net}.10 100
dhcp interface {lan_port} dns add {net}.1
ike peer add hq exchange-mode main address {peer} preshared-key "{secret}"
syslog remote on
syslog remote server add 192.0.2.14
snmp community "{hostname}"
snmp disable
httpd disable
telnetd disable
sshd hostkey rsa auto
sshd password-authentication on
sshd enable
vendor OEM
"""

_COMMON = """\
hostname: {hostname}
timezone: Japan
interface.{wan_port}.ipv4.address: {wan}/29
interface.{lan_port}.ipv4.address: {net}.1/24
interface.ipsec0.ipv4.source-address: {wan}
interface.ipsec0.ipv4.destination-address: {peer}
interface.ipsec0.mtu: 1390
route.ipv4.100.destination: default
route.ipv4.100.gateway: {wan_gateway}
route.ipv4.200.destination: 10.0.0.0/8
route.ipv4.200.gateway: ipsec0
nat.ipv4.napt.100.interface: {wan_port}
nat.ipv4.napt.100.private: {net}.0-{net}.255
filter.ipv4.100.interface: {wan_port}
filter.ipv4.100.direction: in
filter.ipv4.100.action: pass
filter.ipv4.100.protocol: udp
filter.ipv4.100.destination.port: 500
filter.ipv4.200.interface: {wan_port}
filter.ipv4.200.direction: in
filter.ipv4.200.action: block
filter.ipv4.200.protocol: tcp
filter.ipv4.200.destination.port: 23
filter.ipv4.200.logging: on
dhcp.server.service: enable
dhcp.server.100.interface: {lan_port}
dhcp.server.100.pool.address: {net}.10
dhcp.server.100.pool.count: 100
dhcp.server.100.dns.100.address: {net}.1
dns-forwarder.service: enable
resolver.100.address: 192.0.2.53
ntp.service: enable
ntp.client.100.address: 192.0.2.123
ike.peer.100.address: {peer}
ike.preshared-key.100.identifier.fqdn: {hostname}
ike.preshared-key.100.key: {secret}
syslog.remote-server.100.ipv4.address: 192.0.2.14
snmp.service: disable
telnetd.service: disable
httpd.service: disable
sshd.service: enable
"""

_SEIL8 = (
    _COMMON
    + """\
sshd.password-authentication: enable
terminal.pager: enable
terminal.login-timer: 300
"""
)

_WLAN = """\
interface.{name}.service: enable
interface.{name}.ssid: {hostname}-{band}
interface.{name}.mode: {mode}
interface.{name}.security: wpa2-psk
interface.{name}.passphrase: {secret}
"""

_TEXTS = {"seil3": _SEIL3, "seil8": _SEIL8, "seil6": _COMMON}
