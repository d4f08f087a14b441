import VaultCore

/// The entries that come with the library: a YAML file each, beside this one. docs/providers.md lists them.
/// An entry that says `verified: false` names its unverified facts in comments.
public enum ProviderCatalogue {
    /// The names of the entries, in alphabetical order.
    public static let names = files.map(\.name)

    /// The entry of that name; nil if the catalogue has no such entry.
    public static func provider(_ name: String) -> Provider? { entries[name] }

    /// The text of the entry, to start one of your own from.
    public static func text(_ name: String) -> String? {
        files.first { $0.name == name }.map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    private static let entries: [String: Provider] = {
        var entries: [String: Provider] = [:]
        for (name, bytes) in files {
            // A test reads every one of them: none is passed over here.
            entries[name] = try? ProviderReader.read(
                String(decoding: bytes, as: UTF8.self), file: name + ".yaml")
        }
        return entries
    }()

    private static let files: [(name: String, bytes: [UInt8])] = [
        ("atlassian", PackageResources.atlassian_yaml),
        ("box", PackageResources.box_yaml),
        ("discord", PackageResources.discord_yaml),
        ("dropbox", PackageResources.dropbox_yaml),
        ("facebook", PackageResources.facebook_yaml),
        ("fitbit", PackageResources.fitbit_yaml),
        ("github-app", PackageResources.github_app_yaml),
        ("github-oauth-app", PackageResources.github_oauth_app_yaml),
        ("gitlab", PackageResources.gitlab_yaml),
        ("google", PackageResources.google_yaml),
        ("hubspot", PackageResources.hubspot_yaml),
        ("linkedin", PackageResources.linkedin_yaml),
        ("microsoft", PackageResources.microsoft_yaml),
        ("notion", PackageResources.notion_yaml),
        ("oidc", PackageResources.oidc_yaml),
        ("quantimodo", PackageResources.quantimodo_yaml),
        ("quantimodo-v1", PackageResources.quantimodo_v1_yaml),
        ("quantimodo-v2", PackageResources.quantimodo_v2_yaml),
        ("quantimodo-v2-get", PackageResources.quantimodo_v2_get_yaml),
        ("quantimodo-v3", PackageResources.quantimodo_v3_yaml),
        ("quickbooks", PackageResources.quickbooks_yaml),
        ("reddit", PackageResources.reddit_yaml),
        ("salesforce", PackageResources.salesforce_yaml),
        ("shopify", PackageResources.shopify_yaml),
        ("slack", PackageResources.slack_yaml),
        ("slack-user", PackageResources.slack_user_yaml),
        ("spotify", PackageResources.spotify_yaml),
        ("strava", PackageResources.strava_yaml),
        ("withings", PackageResources.withings_yaml),
        ("xero", PackageResources.xero_yaml),
        ("zendesk", PackageResources.zendesk_yaml),
        ("zoho", PackageResources.zoho_yaml),
        ("zoom", PackageResources.zoom_yaml),
    ]
}
