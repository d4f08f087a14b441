// swift-tools-version: 6.2
import PackageDescription

// One line per dependency says why it is here. Nothing else may be imported.
let dependencies: [Package.Dependency] = [
    // HTTP/1.1 server on SwiftNIO with graceful shutdown. Imported by IssuerHTTP alone.
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
    // HTTP field names and statuses, the vocabulary Hummingbird speaks.
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    // Byte buffers and channel options under Hummingbird.
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    // Command line parsing, help and completion scripts.
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    // The logging API: libraries take a logger, the executable builds one.
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    // JSON Web Tokens: signing and verifying, RSA, ECDSA and EdDSA. Imported by JOSE alone.
    .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
    // SHA-256 by the processor's instructions, which libsodium 1.0.18 does not use; signing keys in the forms that
    // jwt-kit takes. Imported by VaultCrypto and JOSE.
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    // Pages: escapes by default, templates apart from code. Imported by IssuerHTTP alone.
    .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
    // TLS: certificates of `serve` that can be changed while it runs, and trust in a provider's own authority, and
    // documents of strangers. Imported by IssuerHTTP, ProviderHTTP and GuardedFetch.
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    // YAML with line numbers, for provider entries. Imported by TokenKeeper alone.
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    // HTTP client on SwiftNIO with connection pools, for calls to providers. Imported by ProviderHTTP alone.
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    // The metrics API: libraries count, the program that links them chooses where to.
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    // The tracing API, likewise.
    .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
    // Signals and graceful shutdown for long-running work.
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
]

let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let hummingbirdTesting = Target.Dependency.product(name: "HummingbirdTesting", package: "hummingbird")
let hummingbirdTLS = Target.Dependency.product(name: "HummingbirdTLS", package: "hummingbird")
let jwtKit = Target.Dependency.product(name: "JWTKit", package: "jwt-kit")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "_CryptoExtras", package: "swift-crypto")
let mustache = Target.Dependency.product(name: "Mustache", package: "swift-mustache")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let asyncHTTPClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let tracing = Target.Dependency.product(name: "Tracing", package: "swift-distributed-tracing")
let metricsTestKit = Target.Dependency.product(name: "MetricsTestKit", package: "swift-metrics")
let inMemoryTracing = Target.Dependency.product(
    name: "InMemoryTracing", package: "swift-distributed-tracing")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")

// The ladder of modules, lowest first: a target depends only on targets above it in this list.
let targets: [Target] = [
    .target(name: "VaultCore"),
    .systemLibrary(
        name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
    .systemLibrary(
        name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .target(name: "CVaultShims", linkerSettings: [.linkedLibrary("sqlite3"), .linkedLibrary("z")]),
    // libpq is opened when a vault on PostgreSQL is, and nothing of it is needed before.
    .target(name: "CPostgres"),
    .target(
        name: "VaultMigrations",
        resources: [.embedInCode("SQL/V0001_create_vault.sql")]),

    .target(name: "VaultCrypto", dependencies: ["VaultCore", "CSodium", "CVaultShims", crypto]),
    .target(name: "TokenRotation", dependencies: ["VaultCore"]),
    .target(name: "JOSE", dependencies: ["VaultCore", jwtKit, crypto, cryptoExtras]),
    .target(name: "MerkleLog", dependencies: ["VaultCore", "VaultCrypto"]),

    .target(name: "VaultStore", dependencies: ["VaultCore", "VaultCrypto", "MerkleLog"]),
    .target(
        name: "SQLiteStore",
        dependencies: [
            "VaultCore", "CSQLite", "CVaultShims", "VaultMigrations", "VaultCrypto", "VaultStore", logging,
        ]),
    .target(
        name: "PostgresStore",
        dependencies: [
            "VaultCore", "CPostgres", "VaultMigrations", "VaultCrypto", "VaultStore", logging,
        ]),

    .target(
        name: "TokenVault",
        dependencies: [
            "VaultCore", "CVaultShims", "VaultCrypto", "TokenRotation", "MerkleLog", "VaultStore",
            "SQLiteStore", "PostgresStore", logging, metrics,
        ]),
    .target(
        name: "VaultAudit",
        dependencies: [
            "VaultCore", "VaultCrypto", "MerkleLog", "VaultStore", "SQLiteStore", "TokenVault", logging,
            lifecycle,
        ]),
    .target(
        name: "VaultCustody",
        dependencies: [
            "VaultCore", "VaultCrypto", "CVaultShims", "TokenRotation", "MerkleLog", "VaultStore",
            "SQLiteStore", "PostgresStore", "TokenVault", "VaultAudit", logging,
        ]),
    .target(
        name: "TokenIssuer",
        dependencies: [
            "VaultCore", "VaultCrypto", "TokenRotation", "VaultStore", "TokenVault", logging, metrics,
            tracing,
        ]),
    .target(
        name: "OpenIDConnect",
        dependencies: ["VaultCore", "VaultCrypto", "VaultStore", "TokenVault", "JOSE", "TokenIssuer"]),
    // Documents from places that strangers name, fetched by a process of its own.
    .target(
        name: "GuardedFetch",
        dependencies: [
            "VaultCore", "CVaultShims", "TokenIssuer", nioCore, nioPosix, nioHTTP1, nioSSL, logging,
        ]),
    .target(
        name: "IssuerHTTP",
        dependencies: [
            "VaultCore", "VaultCrypto", "TokenVault", "VaultAudit", "TokenIssuer", hummingbird,
            hummingbirdCore, hummingbirdTLS, httpTypes, mustache, nioCore, nioHTTP1, nioSSL, logging,
            lifecycle,
        ],
        resources: [
            "consent.mustache", "consents.mustache", "error.mustache", "icon.svg", "layout.mustache",
            "pages.css",
            "sign-in.mustache", "sign-out.mustache",
        ].map { .embedInCode("Templates/" + $0) }),
    .target(
        name: "TokenKeeper",
        dependencies: [
            "VaultCore", "VaultCrypto", "VaultStore", "TokenVault", "JOSE", yams, metrics, tracing, logging,
            lifecycle,
        ],
        resources: [
            "atlassian", "box", "discord", "dropbox", "facebook", "fitbit", "github-app", "github-oauth-app",
            "gitlab", "google", "hubspot", "linkedin", "microsoft", "notion", "oidc", "quantimodo",
            "quantimodo-v1", "quantimodo-v2", "quantimodo-v2-get", "quantimodo-v3", "quickbooks", "reddit",
            "salesforce", "shopify", "slack", "slack-user", "spotify", "strava", "withings", "xero",
            "zendesk", "zoho", "zoom",
        ].map { .embedInCode("Catalogue/\($0).yaml") }),
    .target(
        name: "ProviderHTTP",
        dependencies: [
            "VaultCore", "TokenVault", "VaultAudit", "TokenKeeper", asyncHTTPClient, nioCore, nioPosix,
            nioHTTP1, nioSSL, logging,
        ]),
    .target(
        name: "TokenVaultTesting",
        dependencies: [
            "VaultCore", "VaultCrypto", "SQLiteStore", "TokenVault", "TokenIssuer", "TokenKeeper", nioCore,
            nioPosix,
            nioHTTP1, logging, lifecycle,
        ]),
    .executableTarget(
        name: "VaultCommand",
        dependencies: [
            "VaultCore", "VaultCrypto", "SQLiteStore", "TokenVault", "VaultAudit", "VaultCustody",
            "TokenIssuer", "OpenIDConnect", "GuardedFetch", "IssuerHTTP", "TokenKeeper", "ProviderHTTP",
            argumentParser,
            nioCore, nioPosix, nioHTTP1, logging, lifecycle, unixSignals,
        ],
        // The page of errors is a link to the one in docs/.
        resources: [.embedInCode("Help/errors.md"), .embedInCode("Report/report.css")]),
]

// Each is run by a test, those that the documentation shows word for word too.
let examples: [Target] = [
    // `make demo`.
    .executableTarget(
        name: "Demo",
        dependencies: [
            "VaultCore", "TokenVault", "VaultAudit", "IssuerHTTP", argumentParser, asyncHTTPClient, nioCore,
            logging, unixSignals,
        ],
        path: "Examples/Demo"),
    .executableTarget(
        name: "IssueTokens", dependencies: ["TokenVault", "IssuerHTTP", logging, lifecycle],
        path: "Examples/IssueTokens"),
    .executableTarget(
        name: "EmbedIssuer",
        dependencies: [
            "TokenVault", "VaultAudit", "TokenIssuer", "OpenIDConnect", "IssuerHTTP", hummingbird, httpTypes,
            nioCore, logging,
        ],
        path: "Examples/EmbedIssuer"),
    // The package of docs/embedding.md.
    .executableTarget(
        name: "Diary",
        dependencies: [
            "TokenVault", "VaultAudit", "TokenIssuer", "IssuerHTTP", hummingbird, httpTypes, nioCore, logging,
            metrics, tracing,
        ],
        path: "Examples/Diary/Sources/Diary"),
    .testTarget(
        name: "DiaryTests",
        dependencies: [
            "Diary", "TokenVault", "TokenIssuer", "TokenVaultTesting", hummingbird, hummingbirdTesting,
        ],
        path: "Examples/Diary/Tests/DiaryTests"),
    .executableTarget(
        name: "KeepTokens",
        dependencies: [
            "TokenVault", "VaultAudit", "TokenKeeper", "ProviderHTTP", asyncHTTPClient, hummingbird,
            httpTypes, nioCore, logging,
        ],
        path: "Examples/KeepTokens"),
]

let tests: [Target] = [
    // Seeds, rounds and waits of all of them.
    .target(name: "TestSupport", path: "Tests/Support"),
    // PostgreSQL databases for the vaults of tests.
    .target(
        name: "TestStores",
        dependencies: ["TestSupport", "VaultCore", "VaultCrypto", "PostgresStore", "TokenVault", logging],
        path: "Tests/Stores"),
    // A process for the durability tests to kill, stop and deceive.
    .executableTarget(
        name: "vault-worker",
        dependencies: [
            "TestSupport", "VaultCore", "VaultCrypto", "TokenRotation", "TokenVault", "VaultCustody",
        ],
        path: "Tests/DurabilityWorker"),
    // Another one, which refreshes tokens.
    .executableTarget(
        name: "keeper-worker",
        dependencies: ["VaultCore", "VaultCrypto", "TokenVault", "TokenKeeper", "ProviderHTTP"],
        path: "Tests/KeeperWorker"),
    // A third, with a fetcher of documents, for networks of their own.
    .executableTarget(
        name: "fetch-worker",
        dependencies: ["TestSupport", "VaultCore", "CVaultShims", "TokenIssuer", "GuardedFetch", logging],
        path: "Tests/FetchWorker"),
    .testTarget(
        name: "DurabilityTests",
        dependencies: [
            "TestSupport", "VaultCore", "VaultCrypto", "TokenRotation", "TokenVault", "VaultAudit",
            "VaultCustody", "TokenKeeper", "TokenVaultTesting", "VaultCommand", asyncHTTPClient, jwtKit,
            nioCore, nioHTTP1,
        ],
        exclude: ["FaultyDisk"]),
    .testTarget(name: "VaultCryptoTests", dependencies: ["TestSupport", "VaultCore", "VaultCrypto"]),
    .testTarget(
        name: "MerkleLogTests", dependencies: ["TestSupport", "VaultCore", "VaultCrypto", "MerkleLog"]),
    .testTarget(name: "TokenRotationTests", dependencies: ["TestSupport", "VaultCore", "TokenRotation"]),
    .testTarget(
        name: "TokenIssuerTests",
        dependencies: [
            "TestSupport", "VaultCore", "VaultCrypto", "SQLiteStore", "TokenVault", "VaultAudit",
            "TokenIssuer", "TokenVaultTesting", metrics, metricsTestKit, tracing, inMemoryTracing,
        ]),
    .testTarget(
        name: "OpenIDConnectTests",
        dependencies: [
            "TestSupport", "VaultCore", "VaultCrypto", "TokenVault", "JOSE", "TokenIssuer", "OpenIDConnect",
            "TokenVaultTesting", jwtKit, logging,
        ]),
    .testTarget(
        name: "IssuerHTTPTests",
        dependencies: [
            "TestStores", "TestSupport", "VaultCore", "VaultCrypto", "CVaultShims", "VaultStore",
            "TokenVault",
            "VaultAudit", "TokenIssuer", "OpenIDConnect", "IssuerHTTP", "TokenVaultTesting", hummingbird,
            hummingbirdCore, httpTypes, logging, tracing, inMemoryTracing, lifecycle,
        ]),
    .testTarget(
        name: "GuardedFetchTests",
        dependencies: ["TestSupport", "VaultCore", "CVaultShims", "GuardedFetch"]),
    .testTarget(
        name: "TokenKeeperTests",
        dependencies: [
            "TestStores", "TestSupport", "VaultCore", "VaultCrypto", "TokenVault", "VaultAudit",
            "TokenKeeper",
            "TokenVaultTesting", metrics, metricsTestKit, tracing, inMemoryTracing, logging,
        ]),
    .testTarget(
        name: "ProviderHTTPTests",
        dependencies: [
            "TestSupport", "VaultCore", "VaultCrypto", "TokenVault", "VaultAudit", "IssuerHTTP",
            "TokenKeeper", "ProviderHTTP", "TokenVaultTesting", asyncHTTPClient, nioCore, nioPosix, nioHTTP1,
            nioSSL, logging,
        ]),
    .testTarget(
        name: "CommandTests",
        dependencies: [
            "TestSupport", "Demo", "VaultCrypto", "TokenVault", "VaultAudit", "VaultCustody", "TokenKeeper",
            "TokenVaultTesting", "VaultCommand",
        ],
        resources: [.copy("Transcripts")]),
    .testTarget(
        name: "TokenVaultTests",
        dependencies: [
            "TestStores", "TestSupport", "VaultCore", "VaultCrypto", "TokenRotation", "MerkleLog",
            "VaultStore",
            "SQLiteStore", "PostgresStore", "TokenVault", "VaultAudit", "VaultCustody", "TokenIssuer",
            "OpenIDConnect", "TokenKeeper", "TokenVaultTesting", logging,
        ],
        exclude: ["Fixtures"]),
    .testTarget(
        name: "PostgresStoreTests",
        dependencies: [
            "TestSupport", "VaultCore", "VaultCrypto", "VaultMigrations", "VaultStore", "SQLiteStore",
            "PostgresStore", "TokenRotation", "TokenVault", "VaultAudit", logging,
        ]),
    .testTarget(name: "TidyTests"),
    .testTarget(
        name: "DocumentationTests",
        dependencies: [
            "TestSupport", "VaultCore", "TokenKeeper", "TokenVaultTesting", "VaultCommand", "IssueTokens",
            "Diary",
            "EmbedIssuer",
            "KeepTokens",
        ]),
]

// Not part of the product: what measures it.
let benchmarks: [Target] = [
    .target(
        name: "CBareLoop", dependencies: ["CPostgres"], path: "Benchmarks/CBareLoop",
        linkerSettings: [.linkedLibrary("sqlite3"), .linkedLibrary("sodium")]),
    .executableTarget(
        name: "vault-bench",
        dependencies: [
            "CBareLoop", "VaultCore", "VaultCrypto", "TokenRotation", "TokenVault", "VaultAudit",
            "VaultCustody", "TokenIssuer", "IssuerHTTP", "TokenKeeper", argumentParser, hummingbird,
            hummingbirdCore, httpTypes, nioCore, logging,
        ],
        path: "Benchmarks/Sources"),
]

let package = Package(
    name: "TokenVault",
    // Linux only: the C shims and the file locks are Linux's, and nothing else is built or tested.
    products: [
        .library(name: "TokenVault", targets: ["VaultCore", "VaultCrypto", "TokenVault", "VaultAudit"]),
        // For services that rotate keys, back up and restore by themselves, as the command does.
        .library(name: "VaultCustody", targets: ["VaultCustody"]),
        // Without an HTTP server, for services that bring another or none.
        .library(name: "TokenIssuer", targets: ["TokenIssuer", "OpenIDConnect"]),
        .library(
            name: "IssuerHTTP", targets: ["TokenIssuer", "OpenIDConnect", "GuardedFetch", "IssuerHTTP"]),
        .library(name: "TokenKeeper", targets: ["TokenKeeper", "ProviderHTTP"]),
        .library(name: "TokenVaultTesting", targets: ["TokenVaultTesting"]),
        // Its target is not called after it: where file names ignore case, `TokenVault` is the same folder.
        .executable(name: "tokenvault", targets: ["VaultCommand"]),
    ],
    dependencies: dependencies,
    targets: targets + examples + tests + benchmarks,
    swiftLanguageModes: [.v6]
)

// Warnings are errors where CI builds, never where somebody else builds us.
let warningsAreErrors = Context.environment["TOKENVAULT_STRICT"] == "1"

// Examples are built as a stranger's package builds: with the defaults.
let plain = ["CVaultShims", "CPostgres", "CBareLoop"] + examples.map(\.name)

for target in package.targets where target.type != .system && !plain.contains(target.name) {
    var settings = target.swiftSettings ?? []
    settings += [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
        .enableUpcomingFeature("InferIsolatedConformances"),
    ]
    if target.name == "VaultCrypto" { settings.append(.strictMemorySafety()) }
    if warningsAreErrors { settings.append(.treatAllWarnings(as: .error)) }
    target.swiftSettings = settings
}
