import Foundation
import VaultCore
import VaultCrypto

/// Programs that play a key program, written for one test.
enum ScriptedProgram {
    /// Answers every unwrap with `key`.
    static func answering(key: [UInt8]) throws -> KeyProgram {
        try script(#"cat > /dev/null; printf '{"key":"\#(Data(key).base64EncodedString())"}'"#)
    }

    /// Keeps the key it was given inside the blob, turned over.
    static func honest() throws -> KeyProgram {
        try python(
            """
            question = json.load(sys.stdin)
            turned = lambda text: base64.b64encode(base64.b64decode(text)[::-1]).decode()
            wraps = question["op"] == "wrap"
            print(json.dumps({"blob" if wraps else "key": turned(question["key" if wraps else "blob"])}))
            """)
    }

    static func script(_ body: String, deadline: Duration = .seconds(20)) throws -> KeyProgram {
        try write("#!/bin/sh\n\(body)\n", deadline)
    }

    static func python(_ body: String) throws -> KeyProgram {
        try write("#!/usr/bin/env python3\nimport base64, json, os, sys\n\(body)\n", .seconds(20))
    }

    private static func write(_ text: String, _ deadline: Duration) throws -> KeyProgram {
        let file = try CredentialDirectory.write(Array(text.utf8), mode: 0o700)
        return try KeyProgram(path: file.path(), deadline: deadline)
    }
}
