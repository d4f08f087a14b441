import Foundation
import VaultCore

/// What a registered JWK Set may look like (RFC 7517 section 5). Whether its keys are of a kind that can
/// verify is known only to who verifies with them.
package enum ClientKeySetRules {
    /// Members that belong to private or shared keys (RFC 7518 section 6); `priv` is that of key types since.
    package static let privateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"]

    static func check(_ keySet: String?, isUsed: Bool) throws {
        guard let keySet else {
            guard !isUsed else { throw invalid("A client for private_key_jwt needs a JWK Set.") }
            return
        }
        guard isUsed else { throw invalid("A JWK Set is for clients that use private_key_jwt.") }
        guard keySet.utf8.count <= Limits.keySetBytes else {
            throw invalid("A JWK Set has at most \(Limits.keySetBytes) bytes.")
        }
        guard let set = try? JSONSerialization.jsonObject(with: Data(keySet.utf8)) as? [String: Any],
            let keys = set["keys"] as? [[String: Any]], !keys.isEmpty
        else { throw invalid("A JWK Set is a JSON object with a member 'keys', an array of keys.") }
        guard keys.allSatisfy({ key in privateMembers.allSatisfy { key[$0] == nil } }) else {
            throw invalid("A registered JWK Set holds public keys only.")
        }
    }
}
