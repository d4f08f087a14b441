import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import ServiceLifecycle
import TokenIssuer
import TokenVault
import VaultAudit
import VaultCore

/// `/metrics` and `/health` on an address of their own, which the clients of the issuer need not reach.
struct AdminListener: Service {
    let address: IssuerServer.Address
    let page: MetricsPage
    let health: HealthRoutes
    let logger: Logger
    let onReady: @Sendable (_ baseURL: String) async -> Void

    func run() async throws {
        let router = Router()
        router.get("/metrics") { [page] _, _ in
            Response(
                status: .ok,
                headers: [.contentType: MetricsText.mediaType, .cacheControl: "no-store"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: page.text)))
        }
        for (path, respond) in health.paths + [("/health", health.ready)] {
            router.get(RouterPath(path)) { request, _ in await respond(request) }
        }
        let application = Application(
            router: router,
            server: .requests(idleTimeout: .seconds(60), readTime: .seconds(10)),
            configuration: ApplicationConfiguration(
                address: .hostname(address.host, port: address.port),
                availableConnectionsDelegate: .maximum(Self.maximumConnections, logger: logger)),
            onServerRunning: { [address, onReady] channel in
                await onReady(address.url(scheme: "http", port: channel.localAddress?.port ?? address.port))
            },
            logger: logger)
        do { try await application.run() } catch {
            throw address.bindingFailure(error, option: "address for operators") ?? error
        }
    }

    /// Enough for a few scrapers and probes: more would take descriptors that the issuer needs.
    static let maximumConnections = 32
}

/// Whether the process answers (`/health/live`), and whether a write reached the disk just now and the rows are what the
/// log says (`/health/ready`).
struct HealthRoutes: Sendable {
    private let readiness: Readiness

    init(_ issuer: TokenIssuer) { readiness = Readiness(issuer.vault) }

    var paths: [(path: String, respond: @Sendable (Request) async -> Response)] {
        [("/health/live", { Response(json: Self.isOK, to: $0) }), ("/health/ready", ready)]
    }

    /// Readiness is at `/health` of the operators' address too, for probes that know one address only.
    @Sendable func ready(_ request: Request) async -> Response {
        do {
            try await readiness.prove()
            return Response(json: Self.isOK, to: request)
        } catch { return Response(error, to: request) }
    }

    private static let isOK = Array(#"{"status":"ok"}"#.utf8)
}

/// Proves the write path by the heartbeat, at most once a second however many ask.
private actor Readiness {
    private let vault: Vault
    private var underWay: Task<Void, any Error>?
    private var provenAt: Duration?

    init(_ vault: Vault) { self.vault = vault }

    func prove() async throws(OAuthError) {
        guard !vault.isDamaged else {
            throw OAuthError(
                .temporarilyUnavailable, status: 503, "The vault is damaged; the log says where.",
                retryAfter: 60)
        }
        guard MetricsPage.isClockFit(vault) else {
            throw OAuthError(
                .temporarilyUnavailable, status: 503,
                "This machine's clock differs from the database server's.",
                retryAfter: 60)
        }
        if let provenAt, vault.clock.monotonic() - provenAt < .seconds(1), vault.acceptsNewWork { return }
        // Anyone who asks meanwhile waits for the same proof.
        let proof = underWay ?? Task { [vault] in try await vault.proveWritePath() }
        underWay = proof
        defer { underWay = nil }
        do {
            try await proof.value
            provenAt = vault.clock.monotonic()
        } catch {
            throw OAuthError(
                .temporarilyUnavailable, status: 503, "The vault takes no writes now.", retryAfter: 5)
        }
    }
}

/// Everything an operator can plot and be woken by, gathered when it is asked for.
struct MetricsPage: Sendable {
    let vault: Vault
    let requests: RequestMetrics
    let certificate: ServerCertificate?

    var text: String {
        var text = MetricsText()
        addRequests(to: &text)
        addTokens(to: &text)
        addVault(to: &text)
        addCertificate(to: &text)
        Self.addProcess(to: &text)
        return text.text
    }

    private func addRequests(to text: inout MetricsText) {
        let endpoints = requests.current.sorted {
            ($0.key.route, $0.key.method) < ($1.key.route, $1.key.method)
        }
        text.counters(
            "tokenvault_http_requests_total",
            "Requests answered, by method, route, and error code or else class of the status.",
            endpoints.flatMap { endpoint, figures in
                figures.outcomes.sorted { $0.key < $1.key }.map { outcome, count in
                    (["method": endpoint.method, "route": endpoint.route, "outcome": outcome], count)
                }
            })
        text.histograms(
            "tokenvault_http_request_seconds", "Time to the answer, by method and route.",
            endpoints.map { (["method": $0.key.method, "route": $0.key.route], $0.value.times) })
        text.counter(
            "tokenvault_http_throttled_total", "Requests answered 429, too many requests.",
            requests.throttled)
        text.gauge("tokenvault_http_connections", "Connections open now.", Double(requests.connections))
    }

    private func addTokens(to text: inout MetricsText) {
        let figures = vault.statistics.current
        text.counters(
            "tokenvault_exchanges_total",
            "Codes and refresh tokens presented, by result: issued, replayed, or the reason of the refusal.",
            figures.exchanges.sorted { $0.key < $1.key }.map { (["result": $0.key], $0.value) })
        let reuses = ["refresh_token_reused", "code_reused"].compactMap { figures.exchanges[$0] }
        text.counter(
            "tokenvault_reuse_detected_total",
            "Codes and refresh tokens that came back after they were used; their grants are revoked.",
            reuses.reduce(0, +))
        text.counter(
            "tokenvault_replays_total", "Refreshes repeated within the retry window, answered as before.",
            figures.exchanges["replayed"] ?? 0)
        text.histogram(
            "tokenvault_swap_seconds", "Time of an exchange: signing, waiting and disk included.",
            figures.exchangeTimes)
    }

    private func addVault(to text: inout MetricsText) {
        let figures = vault.statistics.current
        let silence = figures.lastCommit.map { $0.duration(to: .now).inSeconds }
        text.histogram("tokenvault_commit_batch_size", "Writes in one commit.", figures.batchSizes)
        text.histogram("tokenvault_commit_seconds", "Time of a commit, on the disk.", figures.commitTimes)
        text.gauge("tokenvault_queue_depth", "Writes waiting for a commit now.", Double(vault.queueDepth))
        text.gauge("tokenvault_log_size", "Entries of the audit log.", figures.logSize.map { Double($0) })
        text.gauge(
            "tokenvault_log_first_kept", "The first entry of the audit log that was not pruned.",
            vault.log.firstKept.map { Double($0) })
        text.gauge(
            "tokenvault_log_overdue",
            "Entries over the bounds of the log that wait for an anchor, an export or a webhook.",
            Double(vault.log.overdueEntries))
        text.gauge("tokenvault_last_commit_age_seconds", "Time since the last commit.", silence)
        let isReady =
            vault.acceptsNewWork && !vault.isDamaged && Self.isClockFit(vault)
            && (silence ?? .infinity) < Self.longestSilence
        text.gauge(
            "tokenvault_ready",
            "1: the vault takes new work, has committed a moment ago, and was not found damaged.",
            isReady ? 1 : 0)
        text.gauge(
            "tokenvault_damaged_rows", "Rows that are not what the log says, by the last comparison.",
            Double(vault.damagedRows))
        text.counter(
            "tokenvault_row_passes_total", "Comparisons of every row with the log that were finished.",
            vault.rowPasses)
        if let skew = vault.serverClockSkew {
            text.gauge(
                "tokenvault_server_clock_ahead_seconds",
                "By how much the database server's clock is ahead of this machine's.", skew.inSeconds)
            text.gauge(
                "tokenvault_commits_confirmed",
                "1: a standby confirms each commit, or the vault was made for a single server.",
                vault.acceptsNewWork ? 1 : 0)
            return
        }
        text.gauge(
            "tokenvault_database_bytes", "Size of the database file.", Self.size(of: vault.path))
        text.gauge(
            "tokenvault_wal_bytes", "Size of the write-ahead log beside it.",
            Self.size(of: vault.path + "-wal"))
        text.gauge(
            "tokenvault_disk_free_bytes", "Space left where the vault lies.", Self.space(at: vault.path))
    }

    private func addCertificate(to text: inout MetricsText) {
        guard let certificate else { return }
        text.gauge(
            "tokenvault_tls_certificate_expires_seconds", "When the certificate ends, in seconds since 1970.",
            Double(certificate.expiresAt.millisecondsSince1970 / 1000))
        let counts = certificate.reloadCounts
        text.counters(
            "tokenvault_tls_reloads_total", "Certificates read again, by result.",
            [(["result": "taken"], counts.succeeded), (["result": "refused"], counts.failed)])
    }

    /// What the process uses, under the names that every Prometheus client gives it. What cannot be found out is left
    /// out: it is not there on every system.
    private static func addProcess(to text: inout MetricsText) {
        // The second number: resident pages (proc(5)).
        let pages = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
            .split(separator: " ").dropFirst().first.flatMap { Double($0) }
        text.gauge(
            "process_resident_memory_bytes", "Resident memory.",
            pages.map { $0 * Double(sysconf(Int32(_SC_PAGESIZE))) })
        let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
        text.gauge("process_open_fds", "Open file descriptors.", names.map { Double($0.count) })
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            text.gauge("process_max_fds", "File descriptors it may open.", Double(limit.rlim_cur))
        }
        var usage = rusage()
        if getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
            text.gauge(
                "process_cpu_seconds_total", "Processor time used.",
                usage.ru_utime.seconds + usage.ru_stime.seconds, type: "counter")
        }
    }

    /// Reads are judged by this machine's clock as it was set against the server's; a large difference is a fault of one.
    static func isClockFit(_ vault: Vault) -> Bool {
        vault.serverClockSkew.map { abs($0.inSeconds) <= 30 } ?? true
    }

    /// The heartbeat commits every five seconds; three missed are no coincidence.
    private static let longestSilence = 16.0

    private static func size(of path: String) -> Double? {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        return (attributes?[.size] as? Int).map { Double($0) }
    }

    private static func space(at path: String) -> Double? {
        let attributes = try? FileManager.default.attributesOfFileSystem(forPath: path)
        return (attributes?[.systemFreeSize] as? NSNumber)?.doubleValue
    }
}

extension timeval {
    fileprivate var seconds: Double { Double(tv_sec) + Double(tv_usec) / 1_000_000 }
}

/// Writes the text format of Prometheus, version 0.0.4: what `/metrics` answers.
struct MetricsText {
    typealias Labels = KeyValuePairs<String, String>

    static let mediaType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var text = ""

    mutating func gauge(_ name: String, _ help: String, _ value: Double?, type: String = "gauge") {
        guard let value else { return }
        head(name, type, help)
        sample(name, [:], Self.number(value))
    }

    mutating func counter(_ name: String, _ help: String, _ value: Int) {
        counters(name, help, [([:], value)])
    }

    mutating func counters(_ name: String, _ help: String, _ samples: [(labels: Labels, value: Int)]) {
        head(name, "counter", help)
        for (labels, value) in samples { sample(name, labels, String(value)) }
    }

    mutating func histogram(_ name: String, _ help: String, _ histogram: Histogram) {
        histograms(name, help, [([:], histogram)])
    }

    mutating func histograms(_ name: String, _ help: String, _ samples: [(labels: Labels, value: Histogram)])
    {
        head(name, "histogram", help)
        for (labels, histogram) in samples {
            var total = 0
            for (index, count) in histogram.counts.enumerated() {
                total += count
                let bound = index < histogram.bounds.count ? Self.number(histogram.bounds[index]) : "+Inf"
                sample(name + "_bucket", labels, String(total), bound: bound)
            }
            sample(name + "_sum", labels, Self.number(histogram.sum))
            sample(name + "_count", labels, String(total))
        }
    }

    private mutating func head(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(Self.escaped(help))\n# TYPE \(name) \(type)\n"
    }

    private mutating func sample(_ name: String, _ labels: Labels, _ value: String, bound: String? = nil) {
        var pairs = labels.map { "\($0)=\"\(Self.escaped($1, inLabel: true))\"" }
        if let bound { pairs.append("le=\"\(bound)\"") }
        text += name + (pairs.isEmpty ? "" : "{\(pairs.joined(separator: ","))}") + " \(value)\n"
    }

    private static func escaped(_ text: String, inLabel: Bool = false) -> String {
        let result = text.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
        return inLabel ? result.replacing("\"", with: "\\\"") : result
    }

    /// Whole numbers without a fraction: that is what most of them are.
    private static func number(_ value: Double) -> String {
        value.rounded() == value && abs(value) < 1e15 ? String(Int64(value)) : String(value)
    }
}
