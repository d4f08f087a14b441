import TokenVault
import VaultCore
import VaultCrypto

/// The report as one file: no script, nothing from elsewhere, a policy that allows nothing but its own style.
struct ReportPage {
    let facts: ReportFacts

    /// The whole file.
    var source: String {
        let style = ReportStyle.sheet
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
            <title>Audit report · vault \(facts.status.id.description)</title>
            <style>\(HTML(stringLiteral: style))</style>
            </head>
            <body>
            <main>
            \(head)
            \(verdict)
            \(tiles)
            <section aria-labelledby="timeline"><h2 id="timeline">Exchanges by outcome</h2>
            \(TimelineChart(facts.digest).figure)
            </section>
            \(alarms)
            \(keyEvents)
            \(checkpoint)
            \(vaultFacts)
            \(clients)
            \(totals)
            <footer><p>Made by tokenvault \(TokenVaultCommand.version) at \(Moment.long(facts.madeAt)) UTC. This page contains no \
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
        guard let span = facts.digest.span else { return "No entry of the log lies in this period." }
        let last = facts.digest.firstEntry + facts.digest.entries - 1
        return
            "\(Moment.long(span.from)) to \(Moment.long(span.to)) UTC, entries \(facts.digest.firstEntry) to \(last)"
    }

    private var verdict: HTML {
        let report = facts.verdict
        guard !report.isIntact else {
            return """
                <section class="verdict good" aria-labelledby="verdict"><h2 id="verdict"><span class="mark" aria-hidden="true">✓</span>The log and the database are what was written</h2>
                <p>All \(report.size) entries were hashed anew and give the signed root; \(report.rows) rows are those that the log names last.</p></section>
                """
        }
        return """
            <section class="verdict bad" aria-labelledby="verdict"><h2 id="verdict"><span class="mark" aria-hidden="true">!</span>The log or the database is not what was written</h2>
            <ul>\(report.findings.map { "<li><strong>\($0.place)</strong> \($0.problem)</li>" as HTML })</ul>
            \(report.furtherFindings > 0 ? "<p>And \(report.furtherFindings) more.</p>" as HTML : .nothing)</section>
            """
    }

    private var tiles: HTML {
        let sum = facts.digest.timeline.reduce(
            into: AuditDigest.Column(from: VaultInstant(millisecondsSince1970: 0))
        ) { $0.add($1) }
        let numbers: [(String, Int64, String)] = [
            ("Answered", sum.answered, "answered"), ("Answered again", sum.replayed, "replayed"),
            ("Refused", sum.refused, "refused"), ("Reuse, revoked", sum.revoked, "revoked"),
            ("Entries", facts.digest.entries, "entries"),
        ]
        return """
            <ul class="tiles">\(numbers.map { name, number, style in
                "<li class=\"\(style)\"><span>\(name)</span><strong>\(Self.grouped(number))</strong></li>" as HTML
            })</ul>
            """
    }

    /// Digits in threes, with a thin space that does not break.
    static func grouped(_ number: Int64) -> String {
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
}
