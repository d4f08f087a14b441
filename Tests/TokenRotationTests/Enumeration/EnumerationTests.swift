import TestSupport
import Testing
import TokenRotation
import VaultCore

/// The shipped rules at every state of a small world, and the same with faults that must show.
@Suite("Promises P2 to P4: every interleaving of three clients and a thief", .bounded)
struct EnumerationTests {
    private static let cap = Span.ticks(Span.cap)
    static let spans = [
        Span(rotation: .staleTolerant(generations: 2, cap: cap), retryWindow: 0),
        Span(rotation: .untilFirstUse(cap: cap), retryWindow: 2), Span(rotation: .strict, retryWindow: 2),
        Span(rotation: .strict, retryWindow: 0),
    ]

    private static let shipped: Invariants.Rules = {
        RotationRules.decide($0, against: $1, at: $2, under: $3)
    }

    @Test(arguments: spans)
    func `no state breaks an invariant`(_ span: Span) {
        var enumeration = Enumeration(span, rules: Self.shipped)
        let fault = enumeration.run()
        #expect(fault == nil)
        #expect(enumeration.states > 10_000)
        print("\(span.rotation): \(enumeration.states) states of \(enumeration.rows) rows")
    }

    @Test(arguments: SeededFault.all)
    func `a fault in the rules is found`(_ fault: SeededFault) {
        let found = Self.spans.contains { span in
            var enumeration = Enumeration(span, rules: fault.rules)
            return enumeration.run() != nil
        }
        #expect(found)
    }
}
