/// Where the pages are, below the issuer's URL.
enum PagePaths {
    static let authorize = "/oauth2/authorize"
    static let consent = "/consent"
    static let consents = "/account/consents"
    static let signIn = "/sign-in"
    static let signOut = "/sign-out"
}
