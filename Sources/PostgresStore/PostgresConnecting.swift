import CPostgres
import Foundation
import VaultCore
import VaultStore

/// What a connection is for, which decides how long the server lets it rest and work.
enum SessionUse {
    case writing
    case reading
    /// Long reading, with pauses.
    case studying

    fileprivate var timeouts: String {
        switch self {
        case .writing: "-c statement_timeout=0 -c idle_in_transaction_session_timeout=10s"
        case .reading: "-c statement_timeout=30s -c idle_in_transaction_session_timeout=30s"
        case .studying: "-c statement_timeout=0 -c idle_in_transaction_session_timeout=15min"
        }
    }
}

/// What the server said of itself when a connection was opened.
struct ServerFacts {
    /// One number for a primary and all its standbys.
    let system: Int64
    /// When that was, by its clock, in milliseconds since 1970.
    let time: Int64
    /// When that was heard, on this machine's clock.
    let heardAt: ContinuousClock.Instant
    /// Whether a commit waits for a standby.
    let hasStandbys: Bool
}

/// Opens connections by what the service file says, with the settings that the promises need, and reads every one of them
/// back.
enum PostgresConnecting {
    static func open(_ place: PostgresPlace, _ use: SessionUse) throws -> (PostgresSession, ServerFacts) {
        let pq = try Libpq.functions
        let isLocal = try isLocal(place, pq)
        var settings = [("service", place.service)] + (isLocal ? [] : [("sslmode", "verify-full")])
        settings += [
            ("application_name", "tokenvault"), ("client_encoding", "UTF8"), ("gssencmode", "disable"),
            ("target_session_attrs", "read-write"), ("connect_timeout", "2"), ("tcp_user_timeout", "5000"),
            ("keepalives", "1"), ("keepalives_idle", "5"), ("keepalives_interval", "2"),
            ("keepalives_count", "3"),
            (
                "options",
                "-c synchronous_commit=on -c jit=off -c plan_cache_mode=force_generic_plan -c timezone=UTC "
                    + "-c lock_timeout=3s -c default_transaction_isolation=read\\ committed "
                    + "-c client_connection_check_interval=1s -c client_min_messages=warning "
                    // A kept plan for the newest version of a row, made when there was one, must not read and sort them all later;
                    // and only a scan of an index notes which versions are dead, for those who look after it.
                    + "-c enable_seqscan=off -c enable_bitmapscan=off "
                    // A server that no longer reaches us must not keep the lock for us.
                    + "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 "
                    + "-c tcp_user_timeout=10s "
                    + "-c search_path=\(PostgresSchema.searchPath) " + use.timeouts
            ),
        ]
        // Opening is the one wait inside libpq: it goes through the servers that the service names, two seconds for each.
        let raw = connect(settings, pq.connectdbParams)
        guard let raw else { throw PostgresError.lost }
        guard pq.status(raw) == Int32(TV_PQ_CONNECTED) else {
            defer { pq.finish(raw) }
            throw unreachable(place, pq.errorMessage(raw))
        }
        guard pq.serverVersion(raw) >= 140_000 else {
            defer { pq.finish(raw) }
            throw unfit(
                "The PostgreSQL server is of version \(pq.serverVersion(raw) / 10_000).",
                "Use PostgreSQL 14 or later.")
        }
        // A name like localhost may lead elsewhere.
        guard isLocal ? leadsToThisMachine(pq.socket(raw)) : pq.sslInUse(raw) != 0 else {
            defer { pq.finish(raw) }
            throw unfit(
                "The server of service \(place.service) is on another machine, and nothing verifies which.",
                "Give its name as host, and its authority as sslrootcert; leave hostaddr out.")
        }
        let session = try PostgresSession(raw, pq)
        return (session, try readBack(session))
    }

    /// Calls one of libpq's functions that connect.
    private static func connect(
        _ settings: [(String, String)],
        _ function: (
            UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<UnsafePointer<CChar>?>?, Int32
        ) -> OpaquePointer?
    ) -> OpaquePointer? {
        let keys = settings.map { strdup($0.0) }
        let values = settings.map { strdup($0.1) }
        defer { for text in keys + values { free(text) } }
        return function(keys.map { UnsafePointer($0) } + [nil], values.map { UnsafePointer($0) } + [nil], 0)
    }

    // MARK: Secrets and TLS

    /// Whether every server of the service is on this machine; others are connected with by TLS, with their names verified.
    ///
    /// - Throws: ``VaultError/Code/notFound`` for no such service, ``VaultError/Code/invalidInput`` for one with a password.
    private static func isLocal(_ place: PostgresPlace, _ pq: tv_pq) throws -> Bool {
        // With this setting libpq reads the service file, and does not connect.
        let never = ("target_session_attrs", "nothing-read-only-the-service")
        guard let raw = connect([("service", place.service), never], pq.connectStartParams) else {
            throw PostgresError.lost
        }
        defer { pq.finish(raw) }
        let found = settings(of: raw, pq)
        guard found[never.0] == never.1 else {
            throw VaultError(
                .notFound,
                "There is no connection service \(place.service), or its settings cannot be read.",
                remedy:
                    "Describe it under [\(place.service)] in the service file: ~/.pg_service.conf, or the file that PGSERVICEFILE names."
            )
        }
        guard found["password", default: ""].isEmpty else {
            throw VaultError(
                .invalidInput,
                "A password for service \(place.service) is in the service file or in PGPASSWORD.",
                remedy:
                    "Take it out, and keep it in a password file (passfile) of mode 0600, or use a client certificate."
            )
        }
        return isLocal(found)
    }

    private static func settings(of raw: OpaquePointer, _ pq: tv_pq) -> [String: String] {
        guard let options = pq.conninfo(raw) else { return [:] }
        defer { pq.conninfoFree(options) }
        var found: [String: String] = [:]
        var next = options
        while let keyword = next.pointee.keyword {
            if let value = next.pointee.val { found[String(cString: keyword)] = String(cString: value) }
            next += 1
        }
        return found
    }

    /// Whether every server is a socket, or a loopback address. Where libpq is given addresses it takes a host's name only for
    /// those that are empty.
    private static func isLocal(_ settings: [String: String]) -> Bool {
        func list(_ name: String) -> [Substring] {
            settings[name, default: ""].split(separator: ",", omittingEmptySubsequences: false)
        }
        let (hosts, addresses) = (list("host"), list("hostaddr"))
        guard addresses != [""] else { return hosts.allSatisfy(isLocal) }
        guard hosts == [""] || hosts.count == addresses.count else { return false }
        return addresses.enumerated().allSatisfy { place, address in
            isLocal(!address.isEmpty ? address : hosts.indices.contains(place) ? hosts[place] : "")
        }
    }

    private static func isLocal(_ host: Substring) -> Bool {
        host.isEmpty || host.hasPrefix("/") || host.hasPrefix("@") || host == "localhost" || host == "::1"
            || host.hasPrefix("127.") && host.utf8.allSatisfy { (48...57).contains($0) || $0 == 46 }
    }

    /// Whether a connection is with a socket of this machine, or with a loopback address.
    private static func leadsToThisMachine(_ descriptor: Int32) -> Bool {
        var peer = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let isKnown = withUnsafeMutablePointer(to: &peer) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(descriptor, $0, &length) == 0 }
        }
        guard isKnown else { return false }
        let family = Int32(peer.ss_family)
        return withUnsafeBytes(of: &peer) { bytes in
            switch family {
            case AF_UNIX: return true
            case AF_INET: return bytes.load(as: sockaddr_in.self).sin_addr.s_addr.bigEndian >> 24 == 127
            case AF_INET6:
                let address = bytes.load(as: sockaddr_in6.self).sin6_addr
                return withUnsafeBytes(of: address) {
                    $0.elementsEqual([UInt8](repeating: 0, count: 15) + [1])
                }
            default: return false
            }
        }
    }

    // MARK: What came of it

    private static func unreachable(_ place: PostgresPlace, _ message: UnsafeMutablePointer<CChar>?)
        -> VaultError
    {
        // What is said before there is a session names servers, roles and databases, and no row.
        let said = message.map { String(cString: $0) } ?? ""
        // A line for each server that was tried; what explains one is indented, or says where a password came from.
        let tried = said.split(separator: "\n").filter { !$0.hasPrefix("\t") && !$0.hasPrefix("password ") }
        let reasons = tried.prefix(4).map { $0.prefix(200) }.joined(separator: "; ")
        return VaultError(
            .unavailable,
            "The database of service \(place.service) cannot be opened for writing: \(reasons).",
            remedy: "Check the server and the settings of the service.")
    }

    private static func unfit(_ what: String, _ remedy: String) -> VaultError {
        VaultError(.unavailable, what, remedy: remedy)
    }

    private static func readBack(_ session: PostgresSession) throws -> ServerFacts {
        let names = [
            "server_encoding", "fsync", "full_page_writes", "synchronous_commit", "search_path",
            "plan_cache_mode",
        ]
        let sql =
            "SELECT " + names.map { "current_setting('\($0)')" }.joined(separator: ", ")
            + ", pg_is_in_recovery(), current_setting('synchronous_standby_names') <> '', "
            + "(SELECT system_identifier FROM pg_control_system()), "
            + "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"
        guard let row = try session.turn([PostgresStatement(sql, isKept: false)])[0].firstRow else {
            throw PostgresError.lost
        }
        let found = Dictionary(
            uniqueKeysWithValues: names.enumerated().map { ($1, row.text($0) ?? "") })
        for (name, wanted) in [("fsync", "on"), ("full_page_writes", "on")] where found[name] != wanted {
            throw unfit(
                "The PostgreSQL server runs with \(name) = \(found[name, default: ""]): it can lose what it confirmed.",
                "Set \(name) = on in its configuration and reload it.")
        }
        guard found["server_encoding"] == "UTF8" else {
            throw unfit(
                "The database has the encoding \(found["server_encoding", default: ""]).",
                "Create a database with the encoding UTF8.")
        }
        guard ["on", "remote_apply"].contains(found["synchronous_commit"]),
            found["search_path"] == PostgresSchema.searchPath,
            found["plan_cache_mode"] == "force_generic_plan"
        else {
            throw unfit(
                "The server did not take the settings of the connection; a pooler may be between.",
                "Connect to the server itself, without a pooler in transaction mode.")
        }
        guard row.integer(names.count) == 0 else { throw PostgresError(state: "25006") }
        return ServerFacts(
            system: row.integer(names.count + 2), time: row.integer(names.count + 3), heardAt: .now,
            hasStandbys: row.integer(names.count + 1) == 1)
    }
}
