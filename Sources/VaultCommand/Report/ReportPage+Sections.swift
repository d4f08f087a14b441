import TokenVault
import VaultCore

/// What follows the chart: lists of entries, the checkpoint, the vault.
extension ReportPage {
    var alarms: HTML {
        let selection = facts.digest.alarms
        return section(
            "alarms", "Alarms",
            selection.entries.isEmpty
                ? "<p class=\"empty\">No spent token came back, and no credential was in wrong hands.</p>"
                : """
                <p class="note">Spent tokens that came back, and credentials in wrong hands. Where the grant was revoked, its user \
                has to allow the client again.</p>
                \(earlier(selection))
                \(ReportTable(["Entry", "Time (UTC)", "Operation", "Outcome", "Reason", "Grant"], selection.entries.map {
                    ["\($0.index)", Moment.long($0.time), $0.operation, $0.outcome, $0.reason ?? "–", $0.grant.map { "\($0)" } ?? "–"]
                }, label: "Alarms").html)
                """)
    }

    var keyEvents: HTML {
        let selection = facts.digest.keyEvents
        return section(
            "keys", "Keys, slots, log and backups",
            selection.entries.isEmpty
                ? "<p class=\"empty\">Nothing was done to keys in this period.</p>"
                : """
                \(earlier(selection))
                \(ReportTable(["Entry", "Time (UTC)", "Operation", "Outcome", "Reason", "By way of"], selection.entries.map {
                    ["\($0.index)", Moment.long($0.time), $0.operation, $0.outcome, $0.reason ?? "–", $0.channel]
                }, label: "Key events").html)
                """)
    }

    private func earlier(_ selection: AuditDigest.Selection) -> HTML {
        guard selection.earlier > 0 else { return .nothing }
        return
            "<p class=\"note\">The newest \(selection.entries.count); \(selection.earlier) earlier ones are in the log.</p>"
    }

    var checkpoint: HTML {
        section(
            "checkpoint", "Checkpoint",
            """
            <p class="note">A signed note over the tree (C2SP tlog-checkpoint). Keep it: a later log that does not contain this tree \
            was cut or replaced.</p>
            <pre tabindex="0" aria-label="Signed checkpoint">\(note)</pre>
            <h3>Verifier key</h3>
            <pre tabindex="0" aria-label="Verifier key">\(facts.verifierKey)</pre>
            """)
    }

    /// Line by line: within a line nothing may break.
    private var note: [HTML] {
        var lines = facts.verdict.checkpointNote.split(separator: "\n", omittingEmptySubsequences: false)
        if lines.last == "" { lines.removeLast() }
        return lines.map { "\(String($0))\n" }
    }

    var vaultFacts: HTML {
        let status = facts.status
        let slots =
            status.keys.hasRecovery
            ? "\(status.keys.slots), one of them for recovery" : "\(status.keys.slots), none for recovery"
        let pairs: [(String, String)] = [
            ("Vault", status.id.description), ("File", facts.path), ("Schema", "\(status.schema)"),
            ("Made", Moment.long(status.createdAt)), ("Last entry", Moment.long(status.lastWriteAt)),
            ("Log", "\(status.logSize) entries"), ("Clients", "\(status.clients)"),
            ("Users", "\(status.users)"),
            ("Grants", "\(status.grants), of them \(status.liveGrants) live"), ("Keyslots", slots),
            ("Anchors", status.keys.anchors == 0 ? "none" : "\(status.keys.anchors)"),
        ]
        let keys = status.keys.keys.map { [$0.purpose, Moment.long($0.createdAt), age($0.createdAt)] }
        return section(
            "vault", "Vault",
            """
            <dl class="facts">\(pairs.map { "<dt>\($0)</dt><dd>\($1)</dd>" as HTML })</dl>
            <h3>Keys in use</h3>
            \(ReportTable(["Purpose", "Since (UTC)", "Age"], keys, label: "Keys in use").html)
            """)
    }

    private func age(_ instant: VaultInstant) -> String {
        Moment.span(.seconds(facts.madeAt.elapsed(since: instant).components.seconds))
    }

    var clients: HTML {
        let rows = facts.clients.prefix(ReportFacts.listedClients).map { client in
            [
                client.registration.name, client.clientID, "\(client.state)",
                client.registration.grantTypes.map(\.rawValue).joined(separator: " "), secret(of: client),
            ]
        }
        let further = facts.clients.count - rows.count
        return section(
            "clients", "Clients",
            rows.isEmpty
                ? "<p class=\"empty\">No client is registered.</p>"
                : """
                \(ReportTable(["Name", "Identifier", "State", "Grant types", "Secret valid until"], Array(rows), label: "Clients").html)
                \(further > 0 ? "<p class=\"note\">And \(further) more.</p>" as HTML : .nothing)
                """)
    }

    private func secret(of client: Client) -> String {
        guard !client.secrets.isEmpty else { return "no secret" }
        guard client.secrets.allSatisfy({ $0.notAfter != nil }) else { return "replaced" }
        return client.secrets.compactMap(\.notAfter).max().map(Moment.long) ?? "–"
    }

    var totals: HTML {
        section(
            "totals", "Everything in the period, by operation",
            ReportTable(
                ["Operation", "Outcome", "Entries"],
                facts.digest.totals.map { [$0.operation, $0.outcome, Self.grouped($0.count)] },
                label: "Operations"
            ).html)
    }

    private func section(_ id: String, _ title: String, _ content: HTML) -> HTML {
        "<section aria-labelledby=\"\(id)\"><h2 id=\"\(id)\">\(title)</h2>\n\(content)\n</section>\n"
    }
}

/// A table that becomes a list of cards where the page is narrow.
private struct ReportTable {
    let html: HTML

    init(_ header: [String], _ rows: [[String]], label: String) {
        let names: [HTML] = header.map { "<th role=\"columnheader\" scope=\"col\">\($0)</th>" }
        let body: [HTML] = rows.map { row in
            let cells: [HTML] = zip(header, row).map { name, cell in
                "<td role=\"cell\" data-label=\"\(name)\"><bdi>\(cell)</bdi></td>"
            }
            return "<tr role=\"row\">\(cells)</tr>\n"
        }
        html = """
            <table role="table" aria-label="\(label)"><thead role="rowgroup"><tr role="row">\(names)</tr></thead>
            <tbody role="rowgroup">\(body)</tbody></table>
            """
    }
}
