import Access
import AccessTesting
import Testing

@Suite("Tenant file")
struct TenantFileTests {
    private static func read(_ text: String) throws -> [TenantSettings] {
        let files = try TemporaryFiles()
        return try TenantFile.read(try files.write(text, to: "tenants.yaml"))
    }

    @Test("says what each tenant may have; what it leaves out has no limit")
    func members() throws {
        let tenants = try Self.read(
            """
            tenants:
              - name: chat
                weight: 4
                priority: -1
                max_sequences: 64
                max_queued: 256
                kv_share: 0.5
                tokens_per_minute: 200000
                requests_per_minute: 600
              - name: default
            """)
        var chat = TenantSettings(name: "chat")
        chat.weight = 4
        chat.priority = -1
        chat.maxSequences = 64
        chat.maxQueued = 256
        chat.kvShare = 0.5
        chat.tokensPerMinute = 200_000
        chat.requestsPerMinute = 600
        #expect(tenants == [chat, TenantSettings(name: "default")])
    }

    @Test(
        "what can't be is refused by its line",
        arguments: [
            ("tenant:\n  - name: a", "`tenant`"), ("tenants:\n  - weight: 1", "name"),
            ("tenants:\n  - name: a b", "name"), ("tenants:\n  - name: a\n  - name: a", "twice"),
            ("tenants:\n  - name: a\n    weight: 0", "weight"), ("tenants:\n  - name: a\n    weight: nan", "weight"),
            ("tenants:\n  - name: a\n    max_sequences: 0", "max_sequences"),
            ("tenants:\n  - name: a\n    max_sequences: 1.5", "max_sequences"),
            ("tenants:\n  - name: a\n    kv_share: 1.01", "kv_share"),
            ("tenants:\n  - name: a\n    requests_per_minute: [1]", "requests_per_minute"),
            ("tenants:\n  - name: a\n    speed: 1", "`speed`"), ("tenants: 1", "tenants"), ("", "empty"),
        ])
    func refused(text: String, word: String) throws {
        let error = #expect(throws: AccessError.self) { try Self.read(text) }
        #expect(error?.description.contains(word) == true)
    }
}
