"""All settings of the controller: one flat, frozen class. How they are read: reading.py. The CLI has its own few."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from controller.settings import values as v
from controller.settings.values import Allowed, Endpoint

PREFIX = "HIKITSUGI_"


def default_data_dir() -> Path:
    """$XDG_DATA_HOME/hikitsugi, usually ~/.local/share/hikitsugi."""
    return xdg("XDG_DATA_HOME", ".local/share")


def xdg(variable: str, usual: str) -> Path:
    """Our folder below a base directory of the XDG specification, which says to ignore a relative path."""
    named = os.environ.get(variable, "")
    return (Path(named) if named.startswith("/") else Path.home() / usual) / "hikitsugi"


def _below(name: str) -> Callable[[dict[str, Any]], Path]:  # Any: pydantic's own type for the fields read so far
    return lambda read: read["data_dir"] / name


class Settings(BaseSettings):
    """Made by `load`. Order of the fields: as on the reference page, which is generated from here."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True, env_prefix=PREFIX)

    data_dir: v.Location = Field(default_factory=default_data_dir, description="Everything the controller keeps.")
    database_url: v.DatabaseUrlOrNone = Field(None, description="Unset: an embedded PostgreSQL in data_dir.")
    database_connections: v.Count = Field(16, description="Most connections to PostgreSQL.")
    database_wait_s: v.Seconds = Field(15, description="How long a database that does not answer is waited for.")
    postgres_bin: v.LocationOrNone = Field(
        None, description="Folder with the embedded one's postgres and initdb. Unset: the wheel's, Debian's, or PATH's."
    )
    secrets_key_file: v.Location = Field(
        default_factory=_below("secrets.key"), description="Keys for secrets at rest. Back it up beside the database."
    )
    authority_dir: v.Location = Field(
        default_factory=_below("authority"),
        description="The root that adapters trust, and server certificates. Back it up.",
    )
    firmware_dir: v.Location = Field(
        default_factory=_below("firmware"), description="Firmware images; with firmware_s3_url, copies of them."
    )
    firmware_s3_url: v.StoreUrlOrNone = Field(
        None, description="An S3-compatible store that keeps the images: its https URL. Unset: firmware_dir does."
    )
    firmware_s3_bucket: v.BucketOrNone = Field(None, description="The bucket there; it must exist.")
    firmware_s3_region: v.Name = Field("us-east-1", description="Its region; most stores of one's own have but this.")
    firmware_s3_access_key: v.SecretOrNone = Field(None, description="The access key's id.")
    firmware_s3_secret_key: v.SecretOrNone = Field(None, description="The access key's secret.")
    firmware_s3_ca: v.LocationOrNone = Field(
        None, description="Authorities the store's certificate may be of. Unset: the host's."
    )
    firmware_cache_bytes: v.Bytes = Field(
        10 << 30, description="Most bytes of copies in firmware_dir; longest unused ones go first. 0: no bound."
    )
    firmware_listen: v.ListenOrNone = Field(
        None, description="A listener for firmware images alone. Unset: off; device_listen serves them, too."
    )
    firmware_advertise: v.ListenOrNone = Field(
        None, description="Address and port where adapters are told to fetch images. Unset: where they pull."
    )
    firmware_accel: v.InternalPath = Field(
        "", description="At firmware_listen bodies are left to nginx: its internal location, /images. Unset: off."
    )
    firmware_accel_log: v.LocationOrNone = Field(
        None, description="Unix socket to which that nginx tells what became of downloads, by syslog."
    )
    firmware_tls: Annotated[Literal["auto", "on", "off"], Allowed("auto, on or off")] = Field(
        "auto", description="At firmware_listen; auto: TLS, unless firmware_accel says that nginx is in front."
    )
    firmware_certificate: v.LocationOrNone = Field(
        None, description="PEM file for firmware_listen: key, certificate and chain. Unset: issued by authority_dir."
    )
    firmware_downloads: v.Many = Field(512, description="Images that are being sent at once; others wait up to 20 s.")
    firmware_downloads_per_address: v.Many = Field(
        256, description="The same to one address; adapters behind one NAT share it."
    )
    firmware_bytes_per_second: v.Bytes = Field(0, description="For all images, shared fairly by address. 0: no bound.")
    firmware_bytes_per_second_per_address: v.Bytes = Field(0, description="The same to one address. 0: no bound.")
    firmware_downloads_kept_days: v.Days = Field(90, description="How long the log of downloads is kept.")
    firmware_signing_key_file: v.Location = Field(
        default_factory=_below("firmware-signing.key"),
        description="Opens the controllers' keys for firmware metadata. For controllers only; back it up.",
    )
    firmware_root: v.Location = Field(
        default_factory=_below("firmware-root.json"),
        description="The root of trust of firmware as this controller knows it. Back it up, not beside the database.",
    )

    api_listen: v.Listen = Field(Endpoint("127.0.0.1", 8480), description="API, /healthz, /readyz, /metrics.")
    api_tls: Annotated[Literal["auto", "on", "off"], Allowed("auto, on or off")] = Field(
        "auto", description="auto: TLS unless api_listen is a loopback address."
    )
    api_names: v.Names = Field((), description="More host names and addresses for the API's certificate.")

    device_listen: v.Listen = Field(
        Endpoint("127.0.0.1", 8443), description="LS, RS and firmware for adapters, over TLS 1.2 or newer."
    )
    device_advertise: v.ListenOrNone = Field(
        None, description="Address and port in the URLs that adapters get. Unset: device_listen."
    )
    legacy_device_listen: v.ListenOrNone = Field(
        None, description="The same for stock clients that speak only TLS 1.0, which is unsafe. Unset: off."
    )
    device_connections: v.Many = Field(20_000, description="Connections of adapters at once, tunnels included.")
    device_connections_per_address: v.Many = Field(
        10_000, description="The same from one address; adapters behind one NAT share it."
    )
    device_server_name: v.Name = Field("hikitsugi", description="The certificate says CN=Location Server and this.")
    pull_concurrency: v.Count = Field(64, description="Pulls answered at once; others wait up to 8 s for a turn.")
    pulls_per_minute: v.Count = Field(12, description="Pulls of one adapter; more are told to come back.")
    pulls_per_minute_per_address: v.Many = Field(
        6_000, description="The same from one address; adapters behind one NAT share it."
    )
    rs_retry_max: Annotated[int, Field(ge=1, le=100), Allowed("whole number from 1 to 100")] = Field(
        5, description="How often an adapter repeats a pull before it starts at the LS again."
    )
    rs_retry_interval_s: v.WholeSeconds = Field(
        10, description="An adapter's wait between pulls; a stand-by one's too."
    )
    rs_ll_timeout_s: v.WholeSeconds = Field(30, description="An adapter's wait for its line to come up.")
    tunnel_advertise: v.Endpoints = Field(
        (),
        description="Where adapters open tunnels, one to each. Unset: device_advertise. To those that came in by "
        "legacy_device_listen, the ones with its port are told, or itself.",
    )
    tunnel_echo_interval_s: v.WholeSeconds = Field(
        60, description="An adapter's time between two echoes; a tunnel silent for three and a minute is closed."
    )
    tunnel_grace_s: v.Seconds = Field(
        30, description="A lost tunnel that is not back by then, without a heartbeat since: disconnected."
    )
    heartbeat_host: v.AddressOrNone = Field(
        None, description="Where adapters send heartbeats. Unset: device_advertise's address."
    )
    heartbeat_port: v.PortOrNone = Field(
        None, description="UDP port of the heartbeats, at device_listen's address. Unset: the same number as its port."
    )
    heartbeat_interval_s: v.WholeSeconds = Field(60, description="An adapter's time between two heartbeats.")

    heartbeat_any_source: v.Switch = Field(
        False,
        description="Take heartbeats from any address, not only from where the adapter pulled or holds its tunnel.",
    )
    heartbeats_kept_days: v.Days = Field(7, description="How long heartbeats' statistics are kept.")
    transcripts_kept_days: v.Days = Field(
        400, description="How long what adapters printed is kept; open investigations keep theirs."
    )
    liveness_check_s: v.WholeSeconds = Field(
        300, description="Every so often an adapter counts as up or down, by whether a heartbeat came since."
    )
    liveness_downs: v.Count = Field(3, description="So many downs in a row: disconnected. One up: connected.")

    push_concurrency: v.Count = Field(64, description="Push operations that are being sent at once.")

    ssh_concurrency: v.Count = Field(50, description="Adapters that are logged in to at once.")
    ssh_connect_s: v.Seconds = Field(10, description="For the TCP connection and the key exchange.")
    ssh_login_s: v.Seconds = Field(20, description="For the login, up to the first prompt.")
    ssh_line_s: v.Seconds = Field(30, description="For each command.")
    ssh_total_s: v.Seconds = Field(120, description="For everything one run does on one adapter.")

    ssh_kept: Annotated[int, Field(ge=0, le=10_000), Allowed("whole number from 0 to 10000")] = Field(
        500, description="SSH connections kept open after a run, one an adapter, for its next run. 0: none."
    )
    ssh_kept_idle_s: v.Seconds = Field(60, description="How long such a connection waits for the next run.")
    ssh_keepalive_s: v.Seconds = Field(20, description="How often it is asked whether the adapter is still there.")
    contract_tasks_at_once: v.Count = Field(
        200,
        description="Adapters of one contract that are busy with tasks at once, unless the contract says otherwise.",
    )

    mail_host: v.HostOrNone = Field(None, description="Mail server for news. Unset: no mail is sent.")
    mail_port: Annotated[int, Field(ge=1, le=65_535), Allowed("whole number from 1 to 65535")] = Field(
        587, description="Its port; 465 is usual for mail_tls = tls."
    )
    mail_tls: Annotated[Literal["auto", "starttls", "tls", "off"], Allowed("auto, starttls, tls or off")] = Field(
        "auto", description="auto: STARTTLS, and none to a loopback address."
    )
    mail_ca_file: v.LocationOrNone = Field(
        None, description="Authorities its certificate may be of. Unset: the host's."
    )
    mail_username: Annotated[str | None, Field(max_length=254), Allowed("text")] = Field(
        None, description="For its login. Unset: none."
    )
    mail_password: v.SecretOrNone = Field(None, description="For its login.")
    mail_from: v.MailAddressOrNone = Field(None, description="Sender of news; must be set when mail_host is.")
    webhook_ca_file: v.LocationOrNone = Field(
        None, description="Authorities that certificates of webhook receivers may be of. Unset: the host's."
    )
    webhook_private_addresses: v.Switch = Field(
        False, description="Post webhooks to loopback and private addresses too, and to loopback without TLS."
    )
    news_kept_days: v.Days = Field(30, description="How long news and the log of their deliveries are kept.")

    swap_deadline_s: Annotated[int, Field(ge=1, le=31_536_000), Allowed("whole seconds from 1 to 31536000")] = Field(
        14 * 86_400, description="A swap whose adapter has not been seen by then is LAPSED."
    )
    firmware_update_deadline_s: Annotated[int, Field(ge=1, le=604_800), Allowed("whole seconds from 1 to 604800")] = (
        Field(
            3600,
            description="From an adapter's first pull for an update, and each new byte, to the next; then it failed.",
        )
    )
    firmware_update_return_s: Annotated[int, Field(ge=1, le=86_400), Allowed("whole seconds from 1 to 86400")] = Field(
        1200, description="From the whole image to the adapter's report of it, and from that to its connection check."
    )
    change_registration: Annotated[
        Literal["before-arrival", "at-dispatch", "by-hand"], Allowed("before-arrival, at-dispatch or by-hand")
    ] = Field("before-arrival", description="When the registration of a replacement that was dispatched changes.")
    return_address: v.PostalAddress = Field(
        "", description="Where customers send faulty units. Unset: they are told to ask the desk."
    )
    drain_s: Annotated[float, Field(ge=0, le=300), Allowed("seconds from 0 to 300")] = Field(
        10, description="From SIGTERM to the end, 5 s of it for cutting off what does not end by itself."
    )
    log_format: Annotated[Literal["text", "json"], Allowed("text or json")] = Field(
        "text", description="One line per event, for people or for programs."
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Allowed("debug, info, warning or error")] = (
        Field("info", description="Lesser events are dropped.")
    )

    @property
    def advertised(self) -> Endpoint:
        """The address in URLs for adapters."""
        return self.device_advertise or self.device_listen

    @property
    def legacy_advertised(self) -> Endpoint | None:
        """The address in URLs for adapters that came in by the legacy listener; None when there is none."""
        legacy = self.legacy_device_listen
        return Endpoint(self.advertised.host, legacy.port) if legacy and legacy.is_any else legacy

    @property
    def tunnels(self) -> tuple[Endpoint, ...]:
        return self.tunnel_advertise or (self.advertised,)

    @property
    def legacy_tunnels(self) -> tuple[Endpoint, ...]:
        """The same for adapters that came in by the legacy listener, which can use no other: those with its port."""
        here = self.legacy_advertised or self.advertised
        return tuple(each for each in self.tunnel_advertise if each.port == here.port) or (here,)

    @property
    def heartbeats(self) -> Endpoint:
        """Where heartbeats arrive."""
        return Endpoint(self.device_listen.host, self.heartbeat_port or self.device_listen.port)

    @property
    def heartbeats_advertised(self) -> Endpoint:
        """Where adapters are told to send them."""
        return Endpoint(self.heartbeat_host or self.advertised.host, self.heartbeat_port or self.advertised.port)

    @property
    def device_addresses(self) -> tuple[str, ...]:
        """What the adapters' certificate must name."""
        firmware = (self.firmware_advertise, self.firmware_listen)
        listening = (self.advertised, self.device_listen, self.legacy_device_listen, *firmware)
        return tuple(dict.fromkeys(each.host for each in listening if each and not each.is_any))

    @property
    def firmware_uses_tls(self) -> bool:
        return self.firmware_tls == "on" or (self.firmware_tls == "auto" and not self.firmware_accel)

    @property
    def api_uses_tls(self) -> bool:
        return self.api_tls == "on" or (self.api_tls == "auto" and not self.api_listen.is_loopback)

    @property
    def api_addresses(self) -> tuple[str, ...]:
        """What the API's certificate must name; "localhost" and its addresses always."""
        listening = () if self.api_listen.is_any else (self.api_listen.host,)
        return tuple(dict.fromkeys((*self.api_names, *listening, "localhost", "127.0.0.1", "::1")))

    @field_validator("device_advertise")
    @classmethod
    def _can_be_reached(cls, advertise: Endpoint | None, info: ValidationInfo) -> Endpoint | None:
        listen = info.data.get("device_listen")  # absent when it was wrong itself
        if advertise and (advertise.is_any or not advertise.port):
            raise PydanticCustomError("rule", "adapters cannot connect to it; give an address of this host and a port")
        if not advertise and listen and (listen.is_any or not listen.port):
            text = "must be set when device_listen is {listen}: adapters need an address and port of this host"
            raise PydanticCustomError("rule", text, {"listen": str(listen)})
        return advertise

    @field_validator("firmware_s3_bucket", "firmware_s3_access_key", "firmware_s3_secret_key")
    @classmethod
    def _belongs_to_a_store(cls, value: object, info: ValidationInfo) -> object:
        if info.data.get("firmware_s3_url") and not value:
            raise PydanticCustomError("rule", "must be set when firmware_s3_url is")
        return value

    @field_validator("mail_password")
    @classmethod
    def _goes_over_tls(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        host, tls = info.data.get("mail_host"), info.data.get("mail_tls")
        if password and host and tls == "off" and not v.is_loopback(host):
            raise PydanticCustomError("rule", "is sent to no other host without TLS; leave mail_tls at auto")
        return password

    @field_validator("mail_from")
    @classmethod
    def _has_a_sender(cls, sender: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("mail_host") and not sender:
            raise PydanticCustomError("rule", "must be set when mail_host is: mail needs a sender")
        return sender

    @classmethod
    def settings_customise_sources(  # type: ignore[override] # of the five sources one is wanted; pydantic calls by name
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        **_: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)  # reading.py reads the others itself: a message must say where a value comes from
