import Testing

/// Every combination of what can be presented, against every state, at every boundary of time.
@Suite("Promises P2 and P4: the decision table")
struct DecisionTableTests {
    @Test func `every combination is decided as its row says, and every row is needed`() {
        let rows = DecisionTable.rows
        var hits = [Int](repeating: 0, count: rows.count)
        var combinations = 0
        var mistakes = 0
        func check(_ situation: Situation) {
            combinations += 1
            let row = rows.firstIndex { $0.fits(situation.facts) }
            if let row { hits[row] += 1 }
            let expected = row.map { situation.expected(from: rows[$0]) }
            guard situation.decision != expected else { return }
            mistakes += 1
            if mistakes <= 5 {
                let name = row.map { rows[$0].description } ?? "no row"
                Issue.record("\(name): decided \(situation.decision) in \(situation)")
            }
        }
        Dimension.forEachCombination(of: Dimension.all[...], check)
        Dimension.forEachCombination(of: Dimension.ofPolicies[...], check)
        #expect(mistakes == 0, "of \(combinations) combinations")
        for (row, count) in zip(rows, hits) { #expect(count > 0, "no combination reaches: \(row)") }
        let dimensions = [Dimension.all, Dimension.ofPolicies]
        #expect(combinations == dimensions.map { $0.map(\.choices.count).reduce(1, *) }.reduce(0, +))
    }

    @Test func `every combination holds exactly one fact of every dimension`() {
        let known = Facts.dimensions + Facts.dimensionsOfPolicies
        for dimension in Dimension.all + Dimension.ofPolicies {
            let first = dimension.choices.first?.facts ?? []
            let asked = known.filter { !$0.isDisjoint(with: first) }
            #expect(!asked.isEmpty)
            for choice in dimension.choices {
                for facts in known {
                    let count = choice.facts.intersection(facts).rawValue.nonzeroBitCount
                    #expect(count == (asked.contains(facts) ? 1 : 0))
                }
            }
        }
    }
}
