import Foundation
import Testing
import TokenRotation

@Suite("docs/rotation.md keeps up with the rules")
struct DocumentationTests {
    @Test(arguments: RefusalReason.allCases.map(\.rawValue) + [RotationRules.staleUse])
    func `every reason that the log may show is explained`(_ reason: String) throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
        let page = try String(contentsOf: root.appending(path: "docs/rotation.md"), encoding: .utf8)
        #expect(page.contains("`\(reason)`"))
    }
}
