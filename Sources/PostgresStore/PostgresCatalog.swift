import VaultStore

/// What the catalog of the database says of our tables.
struct PostgresCatalog {
    private let engine: any StatementEngine

    init(_ engine: any StatementEngine) { self.engine = engine }

    func hasTable(_ name: String) throws -> Bool {
        var isThere = false
        try engine.forEachRow(
            """
            SELECT 1 FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = '\(PostgresSchema.name)' AND c.relkind IN ('r', 'v') AND c.relname = ?
            """, [.text(name)]
        ) { _ in
            isThere = true
            return false
        }
        return isThere
    }

    /// Whether our namespace has no table, or is not there.
    func isEmpty() throws -> Bool {
        var isEmpty = true
        try engine.forEachRow(
            """
            SELECT 1 FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = '\(PostgresSchema.name)' LIMIT 1
            """, []
        ) { _ in
            isEmpty = false
            return false
        }
        return isEmpty
    }

    /// Who may make objects in our namespace.
    enum Owner {
        /// There is no namespace.
        case none
        /// Its owner and no other may; whether that is the connection's role.
        case one(isOurs: Bool)
        /// Others may as well.
        case several
    }

    /// Who may make objects in our namespace: our statements could run a function of another role's.
    func owner() throws -> Owner {
        var owner = Owner.none
        try engine.forEachRow(
            """
            SELECT pg_catalog.pg_get_userbyid(n.nspowner) = current_user, EXISTS (SELECT 1
            FROM pg_catalog.aclexplode(n.nspacl) AS a WHERE a.grantee <> n.nspowner AND a.privilege_type = 'CREATE')
            FROM pg_catalog.pg_namespace AS n WHERE n.nspname = '\(PostgresSchema.name)'
            """, []
        ) { row in
            owner = row.integer(1) == 1 ? .several : .one(isOurs: row.integer(0) == 1)
            return false
        }
        return owner
    }

    /// Every table, view and index with its columns, one line each, in an order of their own.
    func description() throws -> String {
        var text = ""
        try engine.forEachRow(
            """
            SELECT CAST(c.relname AS text), CAST(a.attname AS text), format_type(a.atttypid, a.atttypmod),
            a.attnotnull, coalesce(i.indisunique, false)
            FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
            LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
            WHERE n.nspname = '\(PostgresSchema.name)' AND c.relkind IN ('r', 'v', 'i') AND a.attnum > 0
            AND NOT a.attisdropped ORDER BY c.relname, a.attnum
            """, []
        ) { row in
            text +=
                "\(row.text(0) ?? "") \(row.text(1) ?? "") \(row.text(2) ?? "") \(row.integer(3)) \(row.integer(4))\n"
            return true
        }
        return text
    }
}
