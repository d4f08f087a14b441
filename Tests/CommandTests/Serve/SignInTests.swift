import Foundation
import TestSupport
import Testing

/// A user whose password a command set signs in to the service, and what was allowed there is seen and ended by commands.
@Suite("Sign-in at the service, and the commands about it", .bounded)
struct SignInTests {
    /// A browser as plain as can be: follows redirects, keeps cookies, fills in forms.
    private static let browser = """
        import html.parser, http.cookiejar, sys, urllib.error, urllib.parse, urllib.request

        class Form(html.parser.HTMLParser):
            action, fields, buttons = None, {}, []
            def handle_starttag(self, tag, attributes):
                attributes = dict(attributes)
                if tag == "form" and self.action is None:
                    self.action, self.fields, self.buttons = attributes.get("action", ""), {}, []
                elif tag == "input" and "name" in attributes:
                    self.fields[attributes["name"]] = attributes.get("value", "")

        class Stop(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, request, file, code, message, headers, url):
                if url.startswith("https://app.example/"):
                    print(url.split("?")[1])
                    sys.exit(0)
                return super().redirect_request(request, file, code, message, headers, url)

        jar = http.cookiejar.CookieJar()
        web = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar), Stop)
        address, user, password = sys.argv[1], sys.argv[2], open(sys.argv[3]).read().strip()
        answer = web.open(address)
        for step in range(2):
            form = Form()
            form.feed(answer.read().decode())
            form.fields.update({"user": user, "password": password} if "password" in form.fields else {"decision": "allow"})
            try:
                answer = web.open(
                    urllib.parse.urljoin(answer.geturl(), form.action),
                    urllib.parse.urlencode(form.fields).encode())
            except urllib.error.HTTPError as error:
                print(error.code)
                sys.exit(1)
        sys.exit(2)
        """

    /// The parameters with which the browser came back to the client.
    private func allow(_ service: RunningService, in place: Workplace, password: String) async throws
        -> Ending
    {
        let request =
            "\(service.url)/oauth2/authorize?response_type=code&client_id=app&scope=basic&state=s"
            + "&redirect_uri=https%3A%2F%2Fapp.example%2Fcb"
        return try await place.run(
            program: "/usr/bin/python3", ["browser.py", request, "alice", password],
            environment: ["SSL_CERT_FILE": place.path + "/ca.pem"])
    }

    @Test(arguments: ["http", "https"])
    func `a user signs in and allows; commands list that, withdraw it, and change the password`(
        _ scheme: String
    ) async throws {
        let place = try await Workplace.withVault()
        try place.write(Self.browser, to: "browser.py")
        try place.write("correct horse\n", to: "one")
        try place.write("battery staple\n", to: "two")
        if scheme == "https" { try await Certificates.made(in: place).install("first") }
        let service = try await RunningService(in: place, scheme == "https" ? Certificates.options : [])
        #expect(service.url.hasPrefix(scheme + "://"))
        _ = try await place.run(["user", "add", "alice", "--password-file", "one"])
        _ = try await place.run([
            "client", "add", "app", "--client-id", "app", "--redirect-uri", "https://app.example/cb",
            "--scope",
            "basic", "--auth-method", "client_secret_basic",
        ])
        let allowed = try await allow(service, in: place, password: "one")
        #expect(allowed.output.contains("code=tv_ac_"), "\(allowed.output)\(allowed.complaints)")
        let listed = try await place.run(["consent", "list", "--user", "alice", "--json"]).object()
        #expect(listed["client_id"] as? String == "app" && listed["scope"] as? String == "basic")
        #expect(try await place.run(["consent", "list"]).outputLines.count == 2)
        let live = ["grant", "list", "--state", "live", "--json"]
        #expect(try await place.run(live).outputLines.count == 1)
        let withdrawn = try await place.run(
            ["consent", "revoke", "--user", "-", "--client", "app", "--json"], input: "alice\n")
        #expect(try withdrawn.object()["withdrawn"] as? Bool == true, "\(withdrawn.complaints)")
        #expect(try await place.run(["consent", "list", "--json"]).output.isEmpty)
        #expect(try await place.run(live).output.isEmpty)

        #expect(
            try await place.run(["user", "set-password", "alice", "--password-file", "two"]).status == 0)
        #expect(try await allow(service, in: place, password: "one").status == 1)
        #expect(try await allow(service, in: place, password: "two").status == 0)
        #expect(try await place.run(["user", "set-password", "alice", "--remove"]).status == 0)
        #expect(try await allow(service, in: place, password: "two").status == 1)
        #expect(await service.end(by: SIGTERM) == 0)
        for word in ["correct horse", "battery staple", "alice"] {
            #expect(try !service.log().contains(word), "\(word)")
        }
        #expect(try await place.run(["audit", "verify"]).status == 0)
    }
}
