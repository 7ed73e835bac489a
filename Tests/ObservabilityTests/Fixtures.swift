// Golden files, made by tools/metrics-golden.py.

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The text of a file in this target's `Fixtures`; empty if there is none.
func fixture(_ name: String, beside file: String = #filePath) -> String {
    let folder = file.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    guard let stream = fopen("\(folder)/Fixtures/\(name)", "r") else { return "" }
    defer { fclose(stream) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = fread(&chunk, 1, chunk.count, stream)
        guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
        bytes += chunk[..<count]
    }
}
