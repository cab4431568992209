"""The fleet's commands in Japanese: English sentence -> sentence."""

SENTENCES = {
    "Emulated adapters: a fleet of them in one process.": "エミュレートされたアダプタ群(1 プロセス)を扱います。",
    "Directory of the fleet's state. [default: XDG state directory]": (
        "アダプタ群の状態を置くディレクトリ。[既定値: XDG の状態ディレクトリ]"
    ),
    "One JSON document on stdout.": "結果を JSON で標準出力に書きます。",
    "Codes (as in the inventory) or serials.": "コード(台帳ファイルのもの)またはシリアル番号。",
    "Code or serial.": "コードまたはシリアル番号。",
    "Every adapter.": "すべてのアダプタ。",
    "Seconds.": "秒数。",
    # up
    "Power the adapters on and stay with them. Without --inventory and --count: go on with the last fleet.": (
        "アダプタの電源を入れて動かし続けます。--inventory も --count もなければ前回の続きから始めます。"
    ),
    "CSV or JSON inventory of the adapters.": "アダプタの台帳(CSV または JSON)。",
    "Make up this many adapters instead.": "台帳の代わりに、この台数を作り出します。",
    "Location server: https://IP:PORT/ls.": "ロケーションサーバ: https://IP:PORT/ls。",
    "PEM of the certificate to trust there.": "そこで信頼する証明書(PEM)。",
    "No server: each applies the config of the inventory.": "サーバなし。各アダプタは台帳のコンフィグを適用します。",
    "What secrets and keys are made from. [default: 1]": "秘密情報と鍵のもとになる値。[既定値: 1]",
    "For adapters without one.": "ポートの指定がないアダプタの SSH ポート。",
    "Addresses for adapters without one. [127.42.0.0/16]": "アドレスの指定がないアダプタのアドレス。[127.42.0.0/16]",
    "One address, a port each (containers).": "アドレスは 1 つ、ポートを 1 台ずつ割り当てます(コンテナ用)。",
    "The address then listened on. [127.0.0.1]": "そのときに待ち受けるアドレス。[127.0.0.1]",
    "Begin with everything unplugged.": "すべての電源を抜いた状態で始めます。",
    "Begin with the entries plugged in.": "エントリだけ電源を入れて始めます。",
    "Real seconds per device second. [1.0]": "アダプタの 1 秒あたりの実時間(秒)。[1.0]",
    "Exchanges under way. [64]": "同時に行う問い合わせの数。[64]",
    "No hex prefixes on seil3's exec.": "seil3 の exec で 16 進の前置きを付けません。",
    "They pull only: no tunnels, no heartbeats.": "取得(プル)だけを行います。トンネルもハートビートもありません。",
    "Root of signed firmware metadata, as a file; they believe nothing else.": (
        "ファームウェアの署名付きメタデータのルート(ファイル)。これ以外は信用しません。"
    ),
    "Return when it listens; end it with down.": "待ち受けを始めたら戻ります。down で終了します。",
    "{adapters} adapters {event} after {seconds} s: {stages}.": "{adapters} 台: {seconds} 秒で {event} ({stages})。",
    "Fleet {event}.": "アダプタ群: {event}。",
    # inventory
    "Write the inventory of a made-up fleet: the controller imports it, `up` emulates it.": (
        "作り出したアダプタ群の台帳を書きます。コントローラに取り込み、up で動かします。"
    ),
    "File to write; .json for JSON, else CSV.": "書き出すファイル。.json なら JSON、それ以外は CSV。",
    "Adapters on codes: of five, one is a standby.": "コードに割り当てる台数。5 台に 1 台はスタンバイ。",
    "What secrets and keys are made from.": "秘密情報と鍵のもとになる値。",
    "Number of contracts.": "契約の数。",
    "Adapters on no code, beside them.": "ほかに、コードに割り当てない台数。",
    "SSH port of all. [default: 10022]": "全アダプタの SSH ポート。[既定値: 10022]",
    "Their addresses. [127.42.0.0/16]": "アドレス。[127.42.0.0/16]",
    "A port each instead.": "代わりにポートを 1 台ずつ割り当てます。",
    "{file}: {rows} adapters.": "{file}: {rows} 台。",
    # the others
    "Every adapter: where it stands, what it runs.": "全アダプタの状態とファームウェアを一覧します。",
    "One adapter: stage, version, running config's hash, pulls, last answer, log.": (
        "1 台の段階、バージョン、動作中コンフィグのハッシュ、取得回数、最後の応答、ログ。"
    ),
    "How many adapters are in which stage.": "段階ごとの台数。",
    "Wait until nobody is on the way to somewhere. Exit code 1 when the deadline passes first.": (
        "すべてのアダプタが落ち着くまで待ちます。期限が先に来たら終了コード 1。"
    ),
    "Not settled after {deadline} s: {stages}": "{deadline} 秒では落ち着きませんでした: {stages}",
    "Settled: {stages}": "落ち着きました: {stages}",
    "Give power.": "電源を入れます。",
    "Take power, without warning.": "予告なしに電源を抜きます。",
    "Take power and give it again.": "電源を抜き、入れ直します。",
    "{count} plugged in.": "{count} 台の電源を入れました。",
    "{count} unplugged.": "{count} 台の電源を抜きました。",
    "{count} power-cycled.": "{count} 台の電源を入れ直しました。",
    "Write dead adapters the firmware they were delivered with, and give them power.": (
        "起動しなくなったアダプタに出荷時のファームウェアを書き込み、電源を入れます。"
    ),
    "{count} revived.": "{count} 台を復旧しました。",
    "Name adapters by code or serial, or say --all.": "コードかシリアル番号を指定するか、--all を付けてください。",
    "Make something go wrong with one adapter, until it is taken back.": "1 台に障害を起こします(取り消すまで)。",
    "{faults}, or none to take all back.": "{faults}、または none(すべて取り消し)。",
    "Only the next time.": "次の 1 回だけ。",
    "This many times.": "この回数だけ。",
    "There is no fault {kind}; the faults are {faults}, none.": (
        "{kind} という障害はありません。指定できるのは {faults}、none です。"
    ),
    "{serial}: {faults}.": "{serial}: {faults}。",
    "{serial}: no faults.": "{serial}: 障害なし。",
    "End the fleet in good order; the next `up` goes on where it was.": (
        "アダプタ群を正しく終了します。次の up で続きから始まります。"
    ),
    "The fleet is down.": "アダプタ群を終了しました。",
    "Process {pid} is still ending.": "プロセス {pid} はまだ終了していません。",
}
