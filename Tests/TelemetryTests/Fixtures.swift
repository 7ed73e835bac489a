// Golden files, made by tools/exposition-golden.py.

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The text of a file in this target's `Fixtures`; empty if there is none.
func fixture(_ name: String) -> String {
    String(decoding: fixtureBytes(name), as: UTF8.self)
}

func fixtureBytes(_ name: String, beside file: String = #filePath) -> [UInt8] {
    let folder = file.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    guard let stream = fopen("\(folder)/Fixtures/\(name)", "r") else { return [] }
    defer { fclose(stream) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = fread(&chunk, 1, chunk.count, stream)
        guard count > 0 else { return bytes }
        bytes += chunk[..<count]
    }
}
