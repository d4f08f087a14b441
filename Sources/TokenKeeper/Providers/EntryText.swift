import VaultCore
import Yams

/// A file's text becomes a tree, if the text is harmless: bounded, and without what makes a small text a big tree.
enum EntryText {
    private static let longest = 64 * 1024
    /// An entry is three levels deep.
    private static let depth = 8

    static func parse(_ yaml: String, file: String) throws(VaultError) -> EntryNode {
        guard yaml.utf8.count <= longest else {
            throw fault(file, nil, "The file has more than 64 KiB.")
        }
        try refuseExpansion(yaml, file)
        let root: Node?
        do {
            // Not the default, which the environment may change.
            root = try compose(yaml: yaml, .basic, .default, .utf8)
        } catch let error as YamlError {
            throw explained(error, file)
        } catch {
            throw fault(file, nil, "The file is not YAML.")
        }
        guard let root else { throw fault(file, nil, "The file is empty.") }
        return EntryNode(root, field: "", file: file)
    }

    static func fault(_ file: String, _ line: Int?, _ what: String) -> VaultError {
        VaultError(
            .invalidInput, "\(file)\(line.map { ", line \($0)" } ?? ""): \(what)",
            remedy: "docs/providers.md lists the fields of an entry.")
    }

    /// Anchors, aliases and deep nesting cost the parser more than their length; no entry needs them. Looked
    /// for in the text, before there is a tree: also in quotes, where a space before helps.
    private static func refuseExpansion(_ yaml: String, _ file: String) throws(VaultError) {
        var open = 0
        let lines = yaml.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() {
            if line.first(where: { !$0.isWhitespace }) == "#" { continue }
            var previous: Character = " "
            for (place, character) in zip(line.indices, line) {
                let next = line[line.index(after: place)...].first
                let starts = previous.isWhitespace || "[{,:-?\u{FEFF}".contains(previous)
                if character == "&" || character == "*", starts, let next, !next.isWhitespace {
                    throw fault(file, index + 1, "Anchors and aliases are not taken.")
                }
                if character == "[" || character == "{" { open += 1 }
                if character == "]" || character == "}" { open -= 1 }
                previous = character
            }
            let dashes = line.split(separator: " ").prefix { $0 == "-" || $0 == "?" }
            guard open <= depth, dashes.count <= depth else {
                throw fault(file, index + 1, "The nesting is too deep.")
            }
        }
    }

    /// The library's errors quote the file: only its words about the grammar are taken over.
    private static func explained(_ error: YamlError, _ file: String) -> VaultError {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _):
            fault(file, mark.line, "This is not YAML: \(problem).")
        case .composer(_, _, let mark, _): fault(file, mark.line, "There must be one document in the file.")
        case .duplicatedKeysInMapping(let names, let context):
            fault(file, context.mark.line, "The field \(EntryNode.shown(names.first ?? "")) is there twice.")
        default: fault(file, nil, "The file is not YAML in UTF-8.")
        }
    }
}
