import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

/// The report as one file: no script, nothing from elsewhere, a policy that allows nothing but its own style.
struct ReportPage: Sendable {
    /// Clients listed; there may be thousands.
    private static let listedClients = 200

    let madeAt: VaultInstant
    let path: String
    let status: VaultStatus
    let digest: AuditDigest
    let verdict: AuditReport
    let verifierKey: String
    let registered: [Client]

    var source: String {
        // Of the same family as the pages of `serve`.
        let style = String(decoding: PackageResources.report_css, as: UTF8.self)
        let hash = Base64.encode(SHA256.hash(Array(style.utf8)).bytes)
        let page: HTML = """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-\(HTML(stringLiteral: hash))'; base-uri 'none'; form-action 'none'">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="referrer" content="no-referrer">
            <meta name="color-scheme" content="light dark">
            <title>Audit report · vault \(status.id.description)</title>
            <style>\(HTML(stringLiteral: style))</style>
            </head>
            <body>
            <main>
            \(head)
            \(verdictSection)
            \(tiles)
            <section aria-labelledby="timeline"><h2 id="timeline">Exchanges by outcome</h2>
            \(chart)
            </section>
            \(alarms)
            \(keyEvents)
            \(checkpoint)
            \(vaultFacts)
            \(clients)
            \(totals)
            <footer><p>Made by tokenvault \(TokenVaultCommand.version) at \(Self.time(madeAt)) UTC. This page contains no \
            token, no secret and no user name; it fetches nothing.</p></footer>
            </main>
            </body>
            </html>

            """
        return page.source
    }

    private var head: HTML {
        """
        <header>
        <p class="kicker">TokenVault</p>
        <h1>Audit report</h1>
        <p class="lead">\(period)</p>
        </header>
        """
    }

    private var period: String {
        guard let span = digest.span else { return "No entry of the log lies in this period." }
        let last = digest.firstEntry + digest.entries - 1
        return
            "\(Self.time(span.from)) to \(Self.time(span.to)) UTC, entries \(digest.firstEntry) to \(last)"
    }

    private var verdictSection: HTML {
        let report = verdict
        guard !report.isIntact else {
            return """
                <section class="verdict good" aria-labelledby="verdict"><h2 id="verdict"><span class="mark" aria-hidden="true">✓</span>The log and the database are what was written</h2>
                <p>All \(report.size) entries were hashed again and give the signed root; \(report.rows) rows are those that the log names last.</p></section>
                """
        }
        return """
            <section class="verdict bad" aria-labelledby="verdict"><h2 id="verdict"><span class="mark" aria-hidden="true">!</span>The log or the database is not what was written</h2>
            <ul>\(report.findings.map { "<li><strong>\($0.place)</strong> \($0.problem)</li>" as HTML })</ul>
            \(report.furtherFindings > 0 ? "<p>And \(report.furtherFindings) more.</p>" as HTML : .nothing)</section>
            """
    }

    /// Exchanges of the whole period.
    var sum: AuditDigest.Column {
        digest.timeline.reduce(into: AuditDigest.Column(from: VaultInstant(millisecondsSince1970: 0))) {
            $0.add($1)
        }
    }

    private var tiles: HTML {
        let sum = sum
        let numbers: [(String, Int64, String)] = [
            ("Answered", sum.answered, "answered"), ("Answered again", sum.replayed, "replayed"),
            ("Refused", sum.refused, "refused"), ("Reuse, revoked", sum.revoked, "revoked"),
            ("Entries", digest.entries, "entries"),
        ]
        return """
            <ul class="tiles">\(numbers.map { name, number, style in
                "<li class=\"\(style)\"><span>\(name)</span><strong>\(Self.grouped(number))</strong></li>" as HTML
            })</ul>
            """
    }

    /// Digits in threes, with a thin space that does not break.
    private static func grouped(_ number: Int64) -> String {
        let digits = Array(String(number))
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index).isMultiple(of: 3), digits[index - 1] != "-" {
                text += "\u{202F}"
            }
            text.append(digit)
        }
        return text
    }

    // MARK: What follows the chart

    private var alarms: HTML {
        section(
            "alarms", "Alarms",
            list(
                digest.alarms, "Alarms", last: "Grant", { $0.grant.map { "\($0)" } ?? "–" },
                note: """
                    <p class="note">Spent tokens that came back, and credentials in wrong hands. Where the grant was revoked, its \
                    user has to allow the client again.</p>
                    """, empty: "No spent token came back, and no credential was in wrong hands."))
    }

    private var keyEvents: HTML {
        section(
            "keys", "Keys, slots, log and backups",
            list(
                digest.keyEvents, "Key events", last: "By",
                { entry in entry.actorDetails.map { "\(entry.channel): \($0)" } ?? entry.channel },
                empty: "Nothing was done to keys in this period."))
    }

    private func list(
        _ selection: AuditDigest.Selection, _ label: String, last: String, _ cell: (AuditEntry) -> String,
        note: HTML = .nothing, empty: String
    ) -> HTML {
        guard !selection.entries.isEmpty else { return "<p class=\"empty\">\(empty)</p>" }
        let earlier: HTML =
            selection.earlier == 0
            ? .nothing
            : "<p class=\"note\">The newest \(selection.entries.count); \(selection.earlier) earlier ones are in the log.</p>"
        let rows = selection.entries.map {
            ["\($0.index)", Self.time($0.wall), $0.operation, $0.outcome, $0.reason ?? "–", cell($0)]
        }
        return """
            \(note)
            \(earlier)
            \(table(label, ["Entry", "Time (UTC)", "Operation", "Outcome", "Reason", last], rows))
            """
    }

    private var checkpoint: HTML {
        section(
            "checkpoint", "Checkpoint",
            """
            <p class="note">A signed note over the tree (C2SP tlog-checkpoint). Keep it: a later log that does not contain this tree \
            was cut or replaced.</p>
            <pre tabindex="0" aria-label="Signed checkpoint">\(note)</pre>
            <h3>Verifier key</h3>
            <pre tabindex="0" aria-label="Verifier key">\(verifierKey)</pre>
            """)
    }

    /// Line by line: within a line nothing may break.
    private var note: [HTML] {
        var lines = verdict.checkpointNote.split(separator: "\n", omittingEmptySubsequences: false)
        if lines.last == "" { lines.removeLast() }
        return lines.map { "\(String($0))\n" }
    }

    private var vaultFacts: HTML {
        let slots = "\(status.keyslots), \(status.hasRecoveryKey ? "one of them" : "none") for recovery"
        let pairs: [(String, String)] = [
            ("Vault", status.id.description), ("File", path), ("Schema", "\(status.schema)"),
            ("Made", Self.time(status.createdAt)), ("Last entry", Self.time(status.lastWriteAt)),
            ("Log", "\(status.logSize) entries"), ("Clients", "\(status.clients)"),
            ("Users", "\(status.users)"),
            ("Grants", "\(status.grants), of them \(status.liveGrants) live"), ("Keyslots", slots),
            ("Anchors", status.anchors == 0 ? "none" : "\(status.anchors)"),
        ]
        let keys = status.keys.map { key in
            [
                key.purpose, Self.time(key.createdAt),
                Self.span(.seconds(madeAt.elapsed(since: key.createdAt).components.seconds)),
            ]
        }
        return section(
            "vault", "Vault",
            """
            <dl class="facts">\(pairs.map { "<dt>\($0)</dt><dd>\($1)</dd>" as HTML })</dl>
            <h3>Keys in use</h3>
            \(table("Keys in use", ["Purpose", "Since (UTC)", "Age"], keys))
            """)
    }

    private var clients: HTML {
        let rows = registered.prefix(Self.listedClients).map { client in
            [
                client.registration.name, client.clientID, "\(client.state)",
                client.registration.grantTypes.map(\.rawValue).joined(separator: " "), secret(of: client),
            ]
        }
        let further = registered.count - rows.count
        return section(
            "clients", "Clients",
            rows.isEmpty
                ? "<p class=\"empty\">No client is registered.</p>"
                : """
                \(table("Clients", ["Name", "Identifier", "State", "Grant types", "Secret valid until"], rows))
                \(further > 0 ? "<p class=\"note\">And \(further) more.</p>" as HTML : .nothing)
                """)
    }

    private func secret(of client: Client) -> String {
        guard !client.secrets.isEmpty else { return "no secret" }
        guard client.secrets.allSatisfy({ $0.notAfter != nil }) else { return "replaced" }
        return client.secrets.compactMap(\.notAfter).max().map(Self.time) ?? "–"
    }

    private var totals: HTML {
        section(
            "totals", "Everything in the period, by operation",
            table(
                "Operations", ["Operation", "Outcome", "Entries"],
                digest.totals.map { [$0.operation, $0.outcome, Self.grouped($0.count)] }))
    }

    private func section(_ id: String, _ title: String, _ content: HTML) -> HTML {
        "<section aria-labelledby=\"\(id)\"><h2 id=\"\(id)\">\(title)</h2>\n\(content)\n</section>\n"
    }

    /// A table that becomes a list of cards where the page is narrow.
    private func table(_ label: String, _ header: [String], _ rows: [[String]]) -> HTML {
        let names: [HTML] = header.map { "<th role=\"columnheader\" scope=\"col\">\($0)</th>" }
        let body: [HTML] = rows.map { row in
            let cells: [HTML] = zip(header, row).map { name, cell in
                "<td role=\"cell\" data-label=\"\(name)\"><bdi>\(cell)</bdi></td>"
            }
            return "<tr role=\"row\">\(cells)</tr>\n"
        }
        return """
            <table role="table" aria-label="\(label)"><thead role="rowgroup"><tr role="row">\(names)</tr></thead>
            <tbody role="rowgroup">\(body)</tbody></table>
            """
    }
}
