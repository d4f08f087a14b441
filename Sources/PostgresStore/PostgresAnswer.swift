import CPostgres
import VaultCore
import VaultStore

/// The rows that answer a statement, copied out of libpq, or how many rows it changed.
final class PostgresAnswer {
    /// One answer may have as much in memory; what has more rows is read through a cursor.
    static let byteLimit = 64 << 20

    /// A value's bytes in `storage`; a length of -1 is a null.
    private struct Field {
        let start, length: Int
    }

    private(set) var rowCount = 0
    var changedRows = 0
    private var types: [UInt32] = []
    private var fields: [Field] = []
    private var storage = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var used = 0

    deinit { storage.deallocate() }

    /// Takes the rows of a result of libpq.
    ///
    /// - Throws: ``VaultError/Code/internalError`` for more than ``byteLimit``, ``PostgresError`` for a column of a type that
    ///   no table of ours has.
    func take(_ result: OpaquePointer, _ pq: tv_pq) throws {
        let columns = pq.nfields(result)
        if types.isEmpty { types = try (0..<columns).map { try Self.known(pq.ftype(result, $0)) } }
        for row in 0..<pq.ntuples(result) {
            for column in 0..<columns {
                guard pq.getisnull(result, row, column) == 0 else {
                    fields.append(Field(start: used, length: -1))
                    continue
                }
                let length = Int(pq.getlength(result, row, column))
                try reserve(length)
                if length > 0, let target = storage.baseAddress, let value = pq.getvalue(result, row, column)
                {
                    (target + used).copyMemory(from: value, byteCount: length)
                }
                fields.append(Field(start: used, length: length))
                used += length
            }
            rowCount += 1
        }
    }

    private func reserve(_ count: Int) throws {
        guard used + count <= Self.byteLimit else {
            throw VaultError(
                .internalError, "An answer of the database is larger than \(Self.byteLimit >> 20) MiB.")
        }
        guard used + count > storage.count else { return }
        let larger = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(Self.byteLimit, max(1024, 2 * (used + count))), alignment: 8)
        larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[..<used]))
        storage.deallocate()
        storage = larger
    }

    /// bool, bytea, int8, int2, int4, text, name, void.
    private static func known(_ type: UInt32) throws -> UInt32 {
        guard [16, 17, 20, 21, 23, 25, 19, 2278].contains(type) else { throw PostgresError(state: "42804") }
        return type
    }

    fileprivate func type(_ column: Int) -> UInt32 { types[column] }

    /// Nil: null.
    fileprivate func bytes(_ row: Int, _ column: Int) -> UnsafeRawBufferPointer? {
        let field = fields[row * types.count + column]
        guard field.length >= 0 else { return nil }
        return UnsafeRawBufferPointer(rebasing: storage[field.start..<field.start + field.length])
    }

    /// Hands each row to `body`, which returns false to stop.
    func forEachRow(_ body: (RowCursor) throws -> Bool) throws {
        for number in 0..<rowCount {
            guard try body(RowCursor(PostgresRow(self, number))) else { return }
        }
    }

    /// Hands each row to `answer`, with the place of the question.
    func forEachRow(of question: Int, _ answer: (Int, RowCursor) throws -> Void) throws {
        try forEachRow {
            try answer(question, $0)
            return true
        }
    }

    /// By the first column.
    var rowsByID: [Int64: RowCursor] {
        var rows: [Int64: RowCursor] = [:]
        for number in 0..<rowCount {
            let row = RowCursor(PostgresRow(self, number))
            rows[row.integer(0)] = row
        }
        return rows
    }

    var firstRow: RowCursor? { rowCount > 0 ? RowCursor(PostgresRow(self, 0)) : nil }
}

/// A row of an answer.
private final class PostgresRow: StatementRow {
    private let answer: PostgresAnswer
    private let number: Int

    init(_ answer: PostgresAnswer, _ number: Int) { (self.answer, self.number) = (answer, number) }

    func value(_ index: Int) -> SQLValue {
        guard let bytes = answer.bytes(number, index) else { return .null }
        return switch answer.type(index) {
        case 17: .blob(Array(bytes))
        case 25, 19: .text(String(decoding: bytes, as: UTF8.self))
        default: .integer(Self.integer(bytes))
        }
    }

    func integer(_ index: Int) -> Int64 {
        guard let bytes = answer.bytes(number, index), ![17, 19, 25].contains(answer.type(index)) else {
            return 0
        }
        return Self.integer(bytes)
    }

    func blob(_ index: Int) -> UnsafeRawBufferPointer? {
        answer.type(index) == 17 ? answer.bytes(number, index) : nil
    }

    func append(_ index: Int, number column: UInt8, to canonical: inout CanonicalRow) {
        guard let value = answer.bytes(number, index) else { return }
        switch answer.type(index) {
        case 17: canonical.append(blob: value, number: column)
        case 25, 19: canonical.append(text: value, number: column)
        default: canonical.append(Self.integer(value), number: column)
        }
    }

    /// Of one octet (a boolean), two, four or eight.
    private static func integer(_ bytes: UnsafeRawBufferPointer) -> Int64 {
        switch bytes.count {
        case 1: Int64(bytes[0])
        case 2: Int64(Int16(bigEndian: bytes.loadUnaligned(as: Int16.self)))
        case 4: Int64(Int32(bigEndian: bytes.loadUnaligned(as: Int32.self)))
        case 8: Int64(bigEndian: bytes.loadUnaligned(as: Int64.self))
        default: 0
        }
    }
}
