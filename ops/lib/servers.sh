# shellcheck shell=bash
#
# Private PostgreSQL and RabbitMQ servers, for tests and measurements.
#
# Source this file, then:
#
#     dir=$(make_server_dir)            an empty folder that every server's user can reach
#     start_postgres "$dir"             returns when the server answers
#     start_rabbitmq "$dir"
#     read_postgres_url "$dir"          postgres://…
#     read_amqp_url "$dir"              amqp://…
#     rabbitmqctl_path "$dir"           a program that talks to this node and to no other
#     guard_server_dir "$dir" $$        cleans up should the owner die without doing so
#     remove_server_dir "$dir"          stops what runs and deletes everything
#
# Everything about a server lives in its folder: data, ports, logs, process ids.
# So two runs on one machine never meet, `start` on a folder that has data starts the same server
# again on the same port, and any shell can stop what another one started.
#
# What it deliberately does not do: it never touches the machine's own PostgreSQL or RabbitMQ, and
# never ends a process that is not written down in the folder.

# The oldest PostgreSQL that TierLink supports.
POSTGRES_VERSION_MIN=15

# A busy machine with two cores takes a while; a healthy one needs two seconds and eight.
POSTGRES_START_SECONDS_MAX=120
RABBITMQ_START_SECONDS_MAX=180
STOP_SECONDS_MAX=30

# Below the range from which the kernel takes the ports of outgoing connections, so that a
# connection of ours can never sit on a server's port while that server restarts.
PORT_FIRST=20000
PORT_COUNT=12000

# Erlang reserves memory for, and walks, as many descriptors as it may open. Some containers allow a
# thousand million of them, and the node then takes minutes to start.
OPEN_FILES=65536

# A unix socket's path has room for 107 bytes, of which the folder may use this many.
SERVER_DIR_LENGTH_MAX=70

SERVERS_SH=$(readlink -f -- "${BASH_SOURCE[0]}")

complain() { printf '%s\n' "$*" >&2; }

# --- programs -------------------------------------------------------------------------------------

# The folder that holds the newest `postgres` and `initdb`. Debian keeps them out of the PATH.
find_postgres() {
    local candidate version best='' best_version=0
    for candidate in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin "$(dirname -- "$(command -v initdb || echo /none/x)")"; do
        [[ -x $candidate/initdb && -x $candidate/pg_ctl ]] || continue
        version=$("$candidate/postgres" --version 2>/dev/null | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
        [[ $version =~ ^[0-9]+$ ]] || continue
        if (( version >= POSTGRES_VERSION_MIN && version > best_version )); then
            best=$candidate best_version=$version
        fi
    done
    [[ -n $best ]] && printf '%s\n' "$best"
}

# The folder that holds RabbitMQ's own scripts. Debian's wrappers in /usr/sbin are no use here: they
# insist on the system's user and its folders.
find_rabbitmq() {
    local candidate found
    found=$(command -v rabbitmq-server || true)
    for candidate in /usr/lib/rabbitmq/bin "${found:+$(dirname -- "$(readlink -f -- "$found")")}"; do
        if [[ -n $candidate && -x $candidate/rabbitmq-server && -e $candidate/rabbitmq-env ]]; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

find_epmd() { command -v epmd || find /usr/lib/erlang -name epmd -type f 2>/dev/null | grep -m1 .; }

# Installs the Debian packages of the servers that are missing, where that is allowed.
install_servers() {
    local missing=() as_root=()
    find_postgres >/dev/null || missing+=(postgresql)
    { find_rabbitmq && find_epmd; } >/dev/null || missing+=(rabbitmq-server)
    # One test tries the real PgBouncer. A person's machine may do without; CI may not.
    [[ -z ${CI:-} || -x /usr/sbin/pgbouncer || -x /usr/bin/pgbouncer ]] || missing+=(pgbouncer)
    (( ${#missing[@]} == 0 )) && return 0

    # A person's machine is theirs: only root, or a CI machine that lets us be root, installs.
    if (( EUID != 0 )); then
        if [[ -n ${CI:-} ]] && sudo -n true 2>/dev/null; then
            as_root=(sudo -n)
        else
            complain "The tests need ${missing[*]}, and only root may install that. Please run:"
            complain "    sudo apt-get install ${missing[*]}"
            return 1
        fi
    fi
    if ! command -v apt-get >/dev/null; then
        complain "The tests need ${missing[*]}, and this machine has no apt-get to install it with."
        complain "Please install PostgreSQL $POSTGRES_VERSION_MIN or newer and RabbitMQ, or set" \
            "TIERLINK_TEST_POSTGRES, TIERLINK_TEST_AMQP and TIERLINK_TEST_RABBITMQCTL."
        return 1
    fi

    complain "Installing ${missing[*]} ..."
    if ! { "${as_root[@]}" apt-get update -q &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends "${missing[@]}"; } </dev/null >&2; then
        complain "apt-get could not install ${missing[*]}. Its own words are above."
        return 1
    fi
    if ! find_postgres >/dev/null; then
        complain "The distribution's PostgreSQL is older than $POSTGRES_VERSION_MIN."
        return 1
    fi
    find_rabbitmq >/dev/null || { complain "RabbitMQ is installed but its scripts are not where they should be."; return 1; }
}

# Prints where `promtool` is, which tests Prometheus' rules. If it is not installed it is taken out of
# Debian's package `prometheus` and kept under `target`. The package itself is not installed, because
# it would start a service; so nobody has to be root.
install_promtool() {
    local kept download
    command -v promtool && return 0
    kept=$(dirname -- "$SERVERS_SH")/../../target/promtool
    [[ -x $kept ]] && readlink -f -- "$kept" && return 0

    if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
        complain "There is no promtool, and no Debian package sources to take it from."
        return 1
    fi
    download=$(mktemp -d) || return 1
    complain "Downloading promtool ..."
    if (cd -- "$download" && { apt-get -q download prometheus || { (( EUID == 0 )) &&
            apt-get -q update && apt-get -q download prometheus; }; } &&
        dpkg -x prometheus_*.deb unpacked) </dev/null >&2 &&
        mkdir -p -- "$(dirname -- "$kept")" &&
        # By renaming, so that nobody finds half a program.
        cp -- "$download/unpacked/usr/bin/promtool" "$kept.$$" && mv -- "$kept.$$" "$kept"; then
        rm -rf -- "$download"
        readlink -f -- "$kept"
        return 0
    fi
    rm -rf -- "$download"
    complain "Debian's package prometheus could not be downloaded. Its own words are above."
    return 1
}

# --- folders, ports, processes --------------------------------------------------------------------

# The user that PostgreSQL runs as: it refuses to be root.
run_as_postgres_user() {
    if (( EUID == 0 )); then runuser -u postgres -- "$@"; else "$@"; fi
}

# Prints a new folder for servers. Its path has no spaces, is short enough for unix sockets, and can
# be reached by PostgreSQL's user; where TMPDIR does not give that, /tmp does.
make_server_dir() {
    local parent dir
    for parent in "${TMPDIR:-/tmp}" /tmp; do
        dir=$(mktemp -d -- "${parent%/}/tierlink-servers.XXXXXX" 2>/dev/null) || continue
        mkdir -- "$dir/logs" && chmod 711 -- "$dir" "$dir/logs"
        if [[ $dir != *[[:space:]]* ]] && (( ${#dir} <= SERVER_DIR_LENGTH_MAX )) &&
            run_as_postgres_user test -x "$dir" 2>/dev/null; then
            printf '%s\n' "$dir"
            return 0
        fi
        rm -rf -- "$dir"
    done
    complain "No folder for the test servers: neither TMPDIR nor /tmp can be used by PostgreSQL's user."
    return 1
}

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
    local port
    for _ in {1..200}; do
        port=$((PORT_FIRST + SRANDOM % PORT_COUNT))
        port_answers "$port" || { printf '%s\n' "$port"; return 0; }
    done
    complain "No free port between $PORT_FIRST and $((PORT_FIRST + PORT_COUNT))."
    return 1
}

# When a process began, as the kernel counts it. Together with the number it names one process for
# ever, whereas numbers are used again. Says nothing about a process that has ended, zombies included.
process_began() {
    local stat fields
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
    # The name is in parentheses and may hold anything; what follows it is plain.
    read -r -a fields <<<"${stat##*) }"
    [[ ${fields[0]} != Z && ${fields[0]} != X ]] && printf '%s\n' "${fields[19]}"
}

write_down_process() { printf '%s %s\n' "$1" "$(process_began "$1")" >"$2"; }

# Notes a server that was just sent to the background, and keeps the shell from commenting on its end.
note_server() {
    write_down_process "$1" "$2"
    disown "$1" 2>/dev/null
    return 0
}

# Whether the process written down in this file still runs.
process_lives() {
    local pid began
    { read -r pid began <"$1"; } 2>/dev/null || return 1
    [[ -n $began && $(process_began "$pid") == "$began" ]]
}

# Sends a signal to the process written down in a file and waits for its end; insists at last.
end_process() {
    local file=$1 signal=$2 pid ticks
    process_lives "$file" || { rm -f -- "$file"; return 0; }
    read -r pid _ <"$file"
    kill -s "$signal" "$pid" 2>/dev/null
    for ((ticks = 0; ticks < STOP_SECONDS_MAX * 20; ticks++)); do
        process_lives "$file" || { rm -f -- "$file"; return 0; }
        sleep 0.05
    done
    kill -s KILL "$pid" 2>/dev/null
    sleep 0.2
    rm -f -- "$file"
}

show_end_of() {
    complain "--- the end of $1:"
    tail -n 30 -- "$1" >&2 2>/dev/null
}

# --- PostgreSQL -----------------------------------------------------------------------------------

# Runs one of PostgreSQL's programs with nothing of the caller's PG* settings.
postgres_program() {
    local dir=$1 program=$2 bin
    shift 2
    bin=$(find_postgres) || { complain "PostgreSQL $POSTGRES_VERSION_MIN or newer is not installed."; return 1; }
    (
        cd -- "$dir/postgres" &&
            run_as_postgres_user env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$dir/postgres" LC_ALL=C \
                "$bin/$program" "$@"
    ) </dev/null
}

# start_postgres DIR ['name = value' ...]
#
# The further arguments are settings; they count when the folder has no server yet.
start_postgres() {
    local dir=$1
    shift
    [[ -d $dir/postgres/data ]] || create_postgres "$dir" "$@" || return 1

    if ! postgres_program "$dir" pg_ctl start -s -w -t "$POSTGRES_START_SECONDS_MAX" \
        -D "$dir/postgres/data" -l "$dir/logs/postgres.log" >&2; then
        complain "PostgreSQL did not start."
        show_end_of "$dir/logs/postgres.log"
        return 1
    fi
}

create_postgres() {
    local dir=$1 port log=$1/logs/initdb.log
    shift
    port=$(free_port) || return 1
    mkdir -p -- "$dir/postgres/socket" && : >"$dir/logs/postgres.log" || return 1
    if (( EUID == 0 )); then
        chown -R postgres: "$dir/postgres" "$dir/logs/postgres.log" || return 1
    fi

    # `--no-sync` concerns only these first files; the server itself syncs as in production.
    if ! postgres_program "$dir" initdb --no-sync -D "$dir/postgres/data" -U postgres \
        --auth=trust --encoding=UTF8 --locale=C >"$log" 2>&1; then
        complain "initdb failed."
        show_end_of "$log"
        rm -rf -- "$dir/postgres/data"
        return 1
    fi

    # Asia/Shanghai is where this runs in earnest: whoever forgets a time zone finds out here.
    {
        printf '%s\n' "port = $port" \
            "listen_addresses = '127.0.0.1'" \
            "unix_socket_directories = '$dir/postgres/socket'" \
            "max_connections = 600" \
            "fsync = on" \
            "synchronous_commit = on" \
            "full_page_writes = on" \
            "timezone = 'Asia/Shanghai'" \
            "log_timezone = 'UTC'" \
            "$@"
    } >>"$dir/postgres/data/postgresql.conf" || return 1
    printf 'postgres://postgres@127.0.0.1:%s/postgres\n' "$port" >"$dir/postgres/url"
}

read_postgres_url() { cat -- "$1/postgres/url"; }

postgres_lives() { [[ -d $1/postgres/data ]] && postgres_program "$1" pg_ctl status -D "$1/postgres/data" >/dev/null 2>&1; }

stop_postgres() {
    local dir=$1 how=${2:-fast}
    postgres_lives "$dir" || return 0
    if ! postgres_program "$dir" pg_ctl stop -s -w -t "$STOP_SECONDS_MAX" -m "$how" -D "$dir/postgres/data" >&2 &&
        postgres_lives "$dir"; then
        complain "PostgreSQL in $dir did not stop."
        return 1
    fi
}

# start_postgres_standby DIR PRIMARY_DIR
#
# A copy of the running server of PRIMARY_DIR that follows it. From then on the primary confirms
# nothing that the standby has not written, so that the standby can take its place without loss.
start_postgres_standby() {
    local dir=$1 primary=$2 port primary_port log=$1/logs/basebackup.log
    port=$(free_port) && primary_port=$(postgres_port "$primary") || return 1
    mkdir -p -- "$dir/postgres/socket" && : >"$dir/logs/postgres.log" || return 1
    if (( EUID == 0 )); then
        chown -R postgres: "$dir/postgres" "$dir/logs/postgres.log" || return 1
    fi
    if ! postgres_program "$dir" pg_basebackup --no-sync --checkpoint=fast --write-recovery-conf \
        -d "host=127.0.0.1 port=$primary_port user=postgres" -D "$dir/postgres/data" >"$log" 2>&1; then
        complain "pg_basebackup failed."
        show_end_of "$log"
        rm -rf -- "$dir/postgres/data"
        return 1
    fi
    printf '%s\n' "port = $port" "unix_socket_directories = '$dir/postgres/socket'" \
        "cluster_name = 'standby'" >>"$dir/postgres/data/postgresql.conf" || return 1
    printf 'postgres://postgres@127.0.0.1:%s/postgres\n' "$port" >"$dir/postgres/url"
    start_postgres "$dir" || return 1
    postgres_program "$primary" psql -qX -h 127.0.0.1 -p "$primary_port" -U postgres \
        -c "ALTER SYSTEM SET synchronous_standby_names = 'standby'" -c "SELECT pg_reload_conf()" >/dev/null
}

postgres_port() { sed 's|.*:\([0-9]*\)/.*|\1|' "$1/postgres/url"; }

# The standby of this folder becomes a server of its own. Its primary must be gone.
promote_postgres() { postgres_program "$1" pg_ctl promote -s -w -D "$1/postgres/data" >&2; }

# As a power cut would: no checkpoint, open transactions gone, the log is read at the next start.
kill_postgres() { stop_postgres "$1" immediate; }

# --- RabbitMQ -------------------------------------------------------------------------------------

# start_rabbitmq DIR ['key = value' ...]
#
# The further arguments are lines for rabbitmq.conf; they count when the folder has no node yet.
start_rabbitmq() {
    local dir=$1 node=$1/rabbitmq
    shift
    [[ -e $node/url ]] || create_rabbitmq "$dir" "$@" || return 1
    process_lives "$node/server.pid" && return 0
    start_epmd "$dir" || return 1

    # A session of its own, so that Ctrl-C in the terminal does not reach the node before we do.
    (
        ulimit -S -n "$OPEN_FILES" 2>/dev/null || ulimit -S -n "$(ulimit -H -n)"
        cd -- "$node" || exit 1
        exec setsid "$node/rabbitmq-server"
    ) </dev/null >>"$dir/logs/rabbitmq-console.log" 2>&1 &
    note_server $! "$node/server.pid"

    wait_for_rabbitmq "$dir" "$RABBITMQ_START_SECONDS_MAX" && return 0
    show_end_of "$dir/logs/rabbitmq-console.log"
    show_end_of "$dir/logs/rabbitmq.log"
    kill_rabbitmq "$dir"
    return 1
}

# Waits until the node of this folder answers a client's greeting.
wait_for_rabbitmq() {
    local node=$1/rabbitmq seconds=$2 port end
    read -r port <"$node/port" || return 1
    end=$((SECONDS + seconds))
    while (( SECONDS < end )); do
        amqp_answers "$port" && return 0
        process_lives "$node/server.pid" || { complain "RabbitMQ ended while starting."; return 1; }
        sleep 0.1
    done
    complain "RabbitMQ did not answer within $seconds seconds."
    return 1
}

# A port that accepts is not yet a node that speaks: greet it and want the first byte of its answer.
# `cat` shows that byte, which is 1 and means "method", as ^A.
amqp_answers() {
    (
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
        printf 'AMQP\x00\x00\x09\x01' >&3
        [[ $(timeout 5 head -c 1 <&3 | cat -v) == '^A' ]]
    ) 2>/dev/null
}

create_rabbitmq() {
    local dir=$1 node=$1/rabbitmq port epmd_port dist_port
    shift
    find_rabbitmq >/dev/null || { complain "RabbitMQ is not installed."; return 1; }
    port=$(free_port) && epmd_port=$(free_port) && dist_port=$(free_port) || return 1
    while (( epmd_port == port )); do epmd_port=$(free_port) || return 1; done
    while (( dist_port == port || dist_port == epmd_port )); do dist_port=$(free_port) || return 1; done

    mkdir -p -- "$node/home" "$node/data" "$node/schema" || return 1
    printf '[].\n' >"$node/enabled_plugins"
    (
        umask 077
        head -c 24 /dev/urandom | base64 | tr -dc 'A-Za-z0-9' >"$node/home/.erlang.cookie"
    )
    chmod 400 -- "$node/home/.erlang.cookie" || return 1
    printf '%s\n' "listeners.tcp.1 = 127.0.0.1:$port" \
        "log.file.level = info" \
        "disk_free_limit.absolute = 50MB" \
        "$@" >"$node/rabbitmq.conf"
    # RabbitMQ 3 sets three descriptors aside for each quorum queue, which it does not open, and
    # takes no connections beyond what the system allows it: six thousand queues where it is 20,000.
    printf '[{rabbit, [{file_handles_high_watermark, %s}]}].\n' "$OPEN_FILES" >"$node/advanced.config"
    write_rabbitmq_program "$dir" rabbitmq-server "$epmd_port" "$dist_port" "$port"
    write_rabbitmq_program "$dir" rabbitmqctl "$epmd_port" "$dist_port" "$port"
    printf '%s\n' "$epmd_port" >"$node/epmd-port"
    printf '%s\n' "$port" >"$node/port"
    printf 'amqp://guest:guest@127.0.0.1:%s/%%2f\n' "$port" >"$node/url"
}

# Writes a program that runs one of RabbitMQ's scripts on this folder's node, whatever the
# environment of the caller says.
#
# `RUNNING_UNDER_SYSTEMD` makes the script become the node instead of watching over it, so that one
# known process is the server. The file of environment settings in /etc is ignored.
write_rabbitmq_program() {
    local dir=$1 node=$1/rabbitmq program=$2 epmd_port=$3 dist_port=$4 port=$5 bin path
    bin=$(find_rabbitmq) || return 1
    path=$(dirname -- "$(command -v erl || echo /usr/bin/erl)"):/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
    local loopback='-kernel inet_dist_use_interface {127,0,0,1}'
    local settings=(
        "PATH=$path" "HOME=$node/home" LC_ALL=C.UTF-8
        "ERL_EPMD_PORT=$epmd_port" ERL_EPMD_ADDRESS=127.0.0.1 "ERL_CRASH_DUMP=$dir/logs/erl_crash.dump"
        "RABBITMQ_NODENAME=tierlink-$port@localhost" "RABBITMQ_DIST_PORT=$dist_port"
        RABBITMQ_CONF_ENV_FILE=/dev/null "RABBITMQ_CONFIG_FILE=$node/rabbitmq.conf"
        "RABBITMQ_ADVANCED_CONFIG_FILE=$node/advanced.config"
        "RABBITMQ_ENABLED_PLUGINS_FILE=$node/enabled_plugins"
        "RABBITMQ_MNESIA_BASE=$node/data" "RABBITMQ_SCHEMA_DIR=$node/schema"
        "RABBITMQ_GENERATED_CONFIG_DIR=$node/schema" "RABBITMQ_LOG_BASE=$dir/logs"
        "RABBITMQ_LOGS=$dir/logs/rabbitmq.log" "RABBITMQ_PID_FILE=$node/rabbitmq.pid"
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=$loopback +B i" "RABBITMQ_CTL_ERL_ARGS=$loopback"
        RABBITMQ_CTL_DIST_PORT_MIN=1024 RABBITMQ_CTL_DIST_PORT_MAX=65535
        RUNNING_UNDER_SYSTEMD=true
    )
    {
        printf '#!/bin/bash\n# %s for the private node in this folder, and for no other.\nexec env -i' "$program"
        printf ' %q' "${settings[@]}" "$bin/$program"
        printf ' "$@"\n'
    } >"$node/$program" && chmod 755 -- "$node/$program"
}

# Erlang's port mapper, in the foreground of our own process, because the one that a node starts by
# itself stays behind for ever.
start_epmd() {
    local node=$1/rabbitmq port epmd
    process_lives "$node/epmd.pid" && return 0
    epmd=$(find_epmd) || { complain "epmd, a part of Erlang, is not installed."; return 1; }
    read -r port <"$node/epmd-port" || return 1
    setsid "$epmd" -address 127.0.0.1 -port "$port" </dev/null >>"$1/logs/epmd.log" 2>&1 &
    note_server $! "$node/epmd.pid"
    for _ in {1..100}; do
        port_answers "$port" && return 0
        sleep 0.05
    done
    complain "Erlang's port mapper did not start."
    show_end_of "$1/logs/epmd.log"
    return 1
}

read_amqp_url() { cat -- "$1/rabbitmq/url"; }

rabbitmqctl_path() { printf '%s\n' "$1/rabbitmq/rabbitmqctl"; }

stop_rabbitmq() {
    end_process "$1/rabbitmq/server.pid" "${2:-TERM}"
    end_process "$1/rabbitmq/epmd.pid" TERM
}

# As a power cut would: nothing is flushed, nothing is said to clients.
kill_rabbitmq() { stop_rabbitmq "$1" KILL; }

# --- the whole folder -----------------------------------------------------------------------------

# Ends every server of the folder at once. For folders that nobody will start again.
kill_servers() {
    [[ -d $1/rabbitmq ]] && kill_rabbitmq "$1"
    [[ -d $1/postgres ]] && kill_postgres "$1"
    return 0
}

remove_server_dir() {
    [[ -d $1 ]] || return 0
    kill_servers "$1"
    remove_disks "$1"
    rm -rf -- "$1"
}

# make_disk DIR NAME MIB: a file system of its own within the folder, small enough to be filled.
# Fails where nobody may mount.
make_disk() {
    mkdir -p -- "$1/$2" && mount -t tmpfs -o "size=$3m,mode=755" tmpfs "$1/$2" 2>/dev/null
}

remove_disks() {
    local disk
    for disk in "$1"/*/; do
        if mountpoint -q -- "$disk" 2>/dev/null; then umount -l -- "$disk"; fi
    done
    return 0
}

# Leaves only the logs, for whoever must find out why a run failed.
keep_only_logs() {
    kill_servers "$1"
    remove_disks "$1"
    rm -rf -- "$1/postgres" "$1/rabbitmq"
}

# guard_server_dir DIR PID: removes the folder and its servers when the process PID ends in a way
# that left no time for it, as after `kill -9`. Goes away by itself once the folder is gone.
guard_server_dir() {
    local dir=$1 owner=$2
    write_down_process "$owner" "$dir/owner.pid"
    # shellcheck disable=SC2016
    setsid bash -c 'cd / && source "$1" && watch_over "$2"' tierlink-server-guard "$SERVERS_SH" "$dir" \
        </dev/null >/dev/null 2>&1 &
    disown $! 2>/dev/null
    return 0
}

watch_over() {
    while [[ -e $1/owner.pid ]] && process_lives "$1/owner.pid"; do sleep 1; done
    # No note of an owner means that the folder was let go on purpose.
    [[ -e $1/owner.pid ]] && remove_server_dir "$1"
}

# Whatever happens to its owner, the folder stays from now on.
let_go_of_server_dir() { rm -f -- "$1/owner.pid"; }
