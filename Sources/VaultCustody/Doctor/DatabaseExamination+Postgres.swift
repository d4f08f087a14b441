import VaultCore
import VaultStore

/// The server under a vault in PostgreSQL: what of its settings the promises rest on, and what will be trouble one day.
///
/// What a connection cannot do without was read back when it was opened.
extension DatabaseExamination {
    /// Transactions of this age keep old rows from being removed.
    private static let longTransaction: Int64 = 600_000
    /// Of two thousand million: a server refuses to write shortly before.
    private static let manyTransactions: Int64 = 1_000_000_000
    /// Old versions of rows in one table that VACUUM should have removed.
    private static let manyDeadRows: Int64 = 1_000_000

    func postgresChecks() throws -> [DoctorCheck] {
        try [
            server(), standbys(), serverClock(), checksums(), encryption(), owner(), strangers(),
            transactions(),
            wraparound(), deadRows(), instances(),
        ]
    }

    private func text(_ sql: String) throws -> String {
        try database.firstRow(sql) { $0.text(0) ?? "" } ?? ""
    }

    private func server() throws -> DoctorCheck {
        .ok(
            "postgres.settings",
            "PostgreSQL \(try text("SELECT current_setting('server_version')")): the primary, with UTF8, fsync and full_page_writes on."
        )
    }

    private func standbys() throws -> DoctorCheck {
        let id = "postgres.standbys"
        let names = try text("SELECT current_setting('synchronous_standby_names')")
        guard !names.isEmpty else {
            guard try count("SELECT is_single FROM store_state") == 1 else {
                return .error(
                    id, .unavailable,
                    "Commits are confirmed without a standby (synchronous_standby_names is empty): no new work is taken.",
                    "Set synchronous_standby_names on the primary; check what emptied it.")
            }
            return .advice(
                id, "The vault was made for a single server: what is committed is lost with its disk.",
                "Add a standby and set synchronous_standby_names when that is not enough.")
        }
        guard try count("SELECT pg_has_role(current_user, 'pg_monitor', 'MEMBER')") == 1 else {
            return .advice(
                id,
                "Standbys named '\(names)' confirm commits; this role may not see whether they are connected.",
                "Grant pg_monitor to the role.")
        }
        let confirming = try count(
            "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')"
        )
        guard confirming > 0 else {
            return .warning(
                id,
                "Standbys named '\(names)' have to confirm commits, and none is connected: every write waits.",
                "Start a standby. Do not empty synchronous_standby_names.")
        }
        let behind = try count(
            """
            SELECT coalesce(max(CAST(extract(epoch FROM replay_lag) * 1000 AS bigint)), 0) FROM pg_stat_replication
            WHERE sync_state IN ('sync', 'quorum')
            """)
        return .ok(
            id,
            "\(confirming == 1 ? "One standby" : "\(confirming) standbys") can confirm commits ('\(names)'); the slowest replays \(behind) ms behind."
        )
    }

    private func serverClock() throws -> DoctorCheck {
        let id = "postgres.clock"
        let server = try count("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)")
        let skew = abs(now.millisecondsSince1970 - server)
        guard skew > 1000 else {
            return .ok(id, "This machine's clock and the server's agree within a second.")
        }
        return .warning(
            id, "This machine's clock and the database server's differ by \(DoctorText.span(skew)).",
            "Synchronize the clocks of all machines (NTP). The server's decides.")
    }

    private func checksums() throws -> DoctorCheck {
        let id = "postgres.checksums"
        guard try text("SELECT current_setting('data_checksums')") == "on" else {
            return .advice(
                id, "The server's pages have no checksums: it does not notice a disk that changes them.",
                "Enable them with pg_checksums while the server is stopped.")
        }
        return .ok(id, "The server's pages have checksums.")
    }

    private func encryption() throws -> DoctorCheck {
        let id = "postgres.tls"
        let isEncrypted = try count("SELECT count(*) FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl")
        guard isEncrypted == 0 else { return .ok(id, "The connection is encrypted.") }
        return .ok(id, "The connection does not leave this machine.")
    }

    private func owner() throws -> DoctorCheck {
        let id = "postgres.owner"
        let isOwner = try count(
            """
            SELECT count(*) FROM pg_namespace
            WHERE nspname = current_schema() AND pg_get_userbyid(nspowner) = current_user
            """)
        guard isOwner > 0 else { return .ok(id, "The tables belong to another role than the connection's.") }
        return .advice(
            id, "The role of the connection owns the tables, and may change them.",
            "Let one role make the vault, and services connect as another that may read and write rows.")
    }

    private func strangers() throws -> DoctorCheck {
        let id = "postgres.access"
        guard try count("SELECT has_database_privilege('public', current_database(), 'CONNECT')") == 1 else {
            return .ok(id, "Only named roles may connect to the database.")
        }
        return .advice(
            id, "Every role of the server may connect to the database.",
            "REVOKE CONNECT ON DATABASE … FROM PUBLIC, and grant it to the roles of the vault.")
    }

    private func transactions() throws -> DoctorCheck {
        let id = "postgres.transactions"
        let prepared = try count("SELECT count(*) FROM pg_prepared_xacts")
        let oldest = try count(
            """
            SELECT coalesce(max(CAST(extract(epoch FROM clock_timestamp() - xact_start) * 1000 AS bigint)), 0)
            FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
            """)
        guard prepared == 0, oldest < Self.longTransaction else {
            let what =
                prepared > 0
                ? DoctorText.count(prepared, "prepared transaction")
                : "A transaction of \(DoctorText.span(oldest))"
            return .warning(
                id, "\(what) keeps old versions of rows in the tables, which get slower.",
                "End it, if it is not a backup or a verification that is still at work.")
        }
        return .ok(id, "No transaction is older than \(DoctorText.span(Self.longTransaction)).")
    }

    private func wraparound() throws -> DoctorCheck {
        let id = "postgres.wraparound"
        let age = try count(
            "SELECT CAST(age(datfrozenxid) AS bigint) FROM pg_database WHERE datname = current_database()")
        guard age > Self.manyTransactions else {
            return .ok(id, "Transaction numbers are far from wrapping around.")
        }
        return .warning(
            id, "Transaction numbers are \(age) old: a server stops writing at about 2,100,000,000.",
            "Run VACUUM (FREEZE), and check why autovacuum does not get there.")
    }

    private func deadRows() throws -> DoctorCheck {
        let id = "postgres.dead_rows"
        let worst = try database.firstRow(
            """
            SELECT CAST(relname AS text), n_dead_tup FROM pg_stat_user_tables
            WHERE schemaname = current_schema() AND n_dead_tup > n_live_tup ORDER BY n_dead_tup DESC LIMIT 1
            """
        ) { (name: $0.text(0) ?? "", count: $0.integer(1)) }
        guard let worst, worst.count > Self.manyDeadRows else {
            return .ok(id, "VACUUM keeps up with the tables.")
        }
        return .warning(
            id, "The table \(worst.name) has \(worst.count) old versions of rows, more than rows.",
            "Check autovacuum, and what keeps old snapshots open.")
    }

    private func instances() throws -> DoctorCheck {
        let id = "postgres.instances"
        var hosts: [String] = []
        var schemas: Set<Int64> = []
        try database.forEachRow(
            """
            SELECT host, schema FROM instances
            WHERE seen_at > CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint) - 15000 ORDER BY host
            """
        ) { row in
            hosts.append(row.text(0) ?? "")
            schemas.insert(row.integer(1))
            return true
        }
        guard schemas.count < 2 else {
            return .advice(
                id, "Services of different versions use this vault: schemas \(schemas.sorted()).",
                "Finish the upgrade: restart the older ones with the newer version.")
        }
        guard !hosts.isEmpty else { return .ok(id, "No process serves this vault now.") }
        let number = hosts.count == 1 ? "One process serves it" : "\(hosts.count) processes serve it"
        return .ok(id, "\(number), at \(Set(hosts).sorted().joined(separator: ", ")).")
    }
}
