import Foundation
import Synchronization

/// A PostgreSQL server of this process alone: on the loopback interface, of a user without privileges, in a directory that
/// goes with it. It ends when this process does, however that ends.
package final class PostgresCluster: @unchecked Sendable {
    // @unchecked: `guardian` is only kept; the rest does not change, or is behind the mutex.

    /// Started by the first test that wants it.
    package static let shared = Result { try PostgresCluster() }

    package let port: Int
    /// Of its data, its socket and its log.
    package let directory: String
    private let binaries = "/usr/lib/postgresql/15/bin"
    private let guardian = Process()
    /// Its end is how the guardian sees that this process is gone.
    private let life = Pipe()
    private let answers = Pipe()
    private let databases = Mutex<(free: [String], count: Int)>(([], 0))

    package struct Failure: Error { package let what: String }

    /// - Parameter settings: lines of `postgresql.conf` besides.
    package init(settings: [String] = []) throws {
        directory = NSTemporaryDirectory() + "tokenvault-postgres-" + UUID().uuidString
        // Below the ports that the kernel gives to clients, one of which could have it.
        port = .random(in: 20_000..<32_000)
        guardian.executableURL = URL(fileURLWithPath: "/bin/bash")
        let all = ["max_connections = 400", "shared_buffers = 64MB"] + settings
        guardian.arguments = [
            "-c", Self.script, "guardian", binaries, directory, "\(port)", all.joined(separator: "\n"),
        ]
        guardian.standardInput = life
        guardian.standardOutput = answers
        try guardian.run()
        try awaitAnswer()
        // One file for all servers of the process: libpq looks at the environment when it connects.
        _ = Self.services.withLock { setenv("PGSERVICEFILE", $0, 1) }
    }

    private func tell(_ command: String) throws {
        try life.fileHandleForWriting.write(contentsOf: Data((command + "\n").utf8))
        try awaitAnswer()
    }

    private func awaitAnswer() throws {
        var said = Data()
        while !said.contains(UInt8(ascii: "\n")) {
            guard let more = try answers.fileHandleForReading.read(upToCount: 1), !more.isEmpty else {
                throw Failure(what: "PostgreSQL did not start: install Debian's postgresql-15")
            }
            said += more
        }
    }

    /// Stops the server at once, as a shutdown does.
    package func stop() throws { try tell("stop") }
    package func start() throws { try tell("start") }

    /// Has commits wait for the standbys that are named; for none: "".
    package func demandStandby(_ name: String) throws {
        try run("ALTER SYSTEM SET synchronous_standby_names = '\(name)'", in: "postgres")
        try run("SELECT pg_reload_conf()", in: "postgres")
        let isRead = try (0..<500).contains { _ in
            try run("SHOW synchronous_standby_names", in: "postgres") == name
        }
        guard isRead else { throw Failure(what: "The server does not read its settings.") }
        // The checkpointer tells the others, and reads its settings before it makes a checkpoint.
        try run("CHECKPOINT", in: "postgres")
    }

    /// Starts a standby that confirms as `name`, on ``standbyPort``.
    package func startStandby(named name: String) throws { try tell("standby \(name) \(standbyPort)") }
    package var standbyPort: Int { port + 1 }

    /// Makes the directory, starts the server, says so, does what it is told, and ends all when its input ends.
    private static let script = """
        set -eu
        bin=$1 dir=$2 port=$3 settings=$4
        as=()
        mkdir -m 755 "$dir"
        if [ "$(id -u)" = 0 ]; then
          chown postgres: "$dir"
          as=(setpriv --reuid=postgres --regid=postgres --clear-groups --inh-caps=-all)
        fi
        cd "$dir"
        servers=()
        finish() {
          for server in "${servers[@]}"; do kill -QUIT "$server" 2>/dev/null || true; wait "$server" || true; done
          rm -rf "$dir"
        }
        trap finish EXIT
        # serve FOLDER PORT
        serve() {
          "${as[@]}" "$bin/postgres" -D "$dir/$1" -p "$2" </dev/null >>"$dir/log" 2>&1 &
          servers+=($!)
          for _ in $(seq 400); do
            if "$bin/pg_isready" -q -h 127.0.0.1 -p "$2"; then return; fi
            kill -0 "${servers[-1]}"
            sleep 0.05
          done
          return 1
        }
        "${as[@]}" "$bin/initdb" -D "$dir/data" -U tokenvault -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$dir/initdb.log" 2>&1
        printf '%s\\n' "listen_addresses = '127.0.0.1'" "unix_socket_directories = ''" "$settings" >>"$dir/data/postgresql.conf"
        serve data "$port"
        echo ready
        while read -r command name place; do
          case $command in
            stop) kill -INT "${servers[0]}"; wait "${servers[0]}" || true; servers=("${servers[@]:1}") ;;
            start) serve data "$port" ;;
            standby)
              "${as[@]}" "$bin/pg_basebackup" -D "$dir/$name" -d "host=127.0.0.1 port=$port user=tokenvault" --no-sync -c fast >/dev/null
              touch "$dir/$name/standby.signal"
              printf '%s\\n' "primary_conninfo = 'host=127.0.0.1 port=$port user=tokenvault application_name=$name'" \
                "synchronous_standby_names = ''" >>"$dir/$name/postgresql.auto.conf"
              serve "$name" "$place" ;;
          esac
          echo done
        done
        """

    /// Where libpq finds the services of this process.
    private static let services = Mutex(NSTemporaryDirectory() + "tokenvault-services-\(getpid())")

    package static var servicesFile: String { services.withLock { $0 } }

    /// Ends the server, before this process does.
    package func end() {
        try? life.fileHandleForWriting.close()
        guardian.waitUntilExit()
    }

    // MARK: Databases

    /// An empty database under a service of its own.
    package func makeDatabase() throws -> String {
        let (free, number) = databases.withLock { databases -> (String?, Int) in
            if let free = databases.free.popLast() { return (free, 0) }
            databases.count += 1
            return (nil, databases.count)
        }
        if let free { return free }
        let name = "vault\(port)_\(number)"
        try run("CREATE DATABASE \(name)", in: "postgres")
        try describe(name, "host=127.0.0.1\nport=\(port)\nuser=tokenvault\ndbname=\(name)")
        return name
    }

    /// Adds a service to those that libpq finds.
    package func describe(_ service: String, _ settings: String) throws {
        try Self.services.withLock { path in
            let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
            try (text + "[\(service)]\n\(settings)\n").write(toFile: path, atomically: true, encoding: .utf8)
        }
    }

    /// Takes everything out of a database, which the next test gets.
    package func giveBack(_ service: String) {
        let isEmpty = try? run(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid();
            DO $$ DECLARE n text; BEGIN
              FOR n IN SELECT nspname FROM pg_namespace
              WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('public', 'information_schema') LOOP
                EXECUTE format('DROP SCHEMA %I CASCADE', n);
              END LOOP;
            END $$
            """, in: service)
        if isEmpty != nil { databases.withLock { $0.free.append(service) } }
    }

    /// Runs statements.
    ///
    /// - Parameter user: by default the owner of everything.
    /// - Returns: their rows, columns between `|`.
    @discardableResult
    package func run(_ sql: String, in database: String, as user: String = "tokenvault") throws -> String {
        let psql = Process()
        let output = Pipe()
        psql.executableURL = URL(fileURLWithPath: binaries + "/psql")
        psql.arguments = [
            "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", "\(port)", "-U", user,
            "-d", database, "-c", "SET search_path = tokenvault", "-c", sql,
        ]
        psql.standardOutput = output
        let errors = Pipe()
        psql.standardError = errors
        try psql.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let trouble = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        psql.waitUntilExit()
        guard psql.terminationStatus == 0 else { throw Failure(what: trouble) }
        return text.split(separator: "\n").joined(separator: "\n")
    }
}
