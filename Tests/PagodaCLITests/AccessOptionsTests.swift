import ArgumentParser
import PagodaCLI
import Testing

@Suite("Options about access")
struct AccessOptionsTests {
    @Test(
        "they are accepted in vLLM's spellings and ours",
        arguments: [
            "--api-key one two --api-key three", "--api_key_file keys.yaml",
            "--jwt-jwks https://issuer/keys --jwt-audience pagoda --jwt-issuer https://issuer --jwt-algorithms ES256,RS256",
            "--jwt-secret-file secret --jwt-algorithms HS512 --jwt-leeway 0 --jwt-tenant-claim org",
            "--ssl-certfile a.pem --ssl-keyfile a.key", "--ssl_certfile a.pem --ssl_ca_certs b.pem --ssl_cert_reqs 2",
            "--metrics-auth own --metrics-token-file tokens --metrics-password-file web.yml",
            "--metrics-port 9090 --metrics-host ::1 --metrics-allow 10.0.0.0/8 ::1 --metrics-tenants a b",
            "--metrics-auth none --metrics-allow 127.0.0.1", #"--allowed-origins ["*"]"#,
            "--allowed-origins https://a https://b --allowed-methods GET --allowed-headers authorization --allow-credentials",
        ])
    func accepted(line: String) throws {
        _ = try Pagoda.parseAsRoot(arguments(line))
    }

    @Test(
        "what can't be, or would let more in than it says, is refused in a sentence that names the option",
        arguments: [
            ("--api-key sk-c\u{E9}naryy", "api-key"), ("--jwt-secret-file a --jwt-jwks b --jwt-audience c", "jwt-jwks"),
            ("--jwt-audience c", "jwt-jwks"), ("--jwt-jwks b --jwt-audience c --jwt-algorithms none", "jwt-algorithms"),
            ("--ssl-keyfile a", "ssl-certfile"), ("--ssl-cert-reqs 2", "ssl-certfile"),
            ("--ssl-certfile a --ssl-cert-reqs 2", "ssl-ca-certs"),
            ("--ssl-certfile a --ssl-cert-reqs 3", "ssl-cert-reqs"),
            ("--ssl-certfile a --ssl-ca-certs b", "ssl-cert-reqs"), ("--metrics-auth some", "metrics-auth"),
            ("--metrics-auth none --metrics-token-file a", "metrics-token-file"),
            ("--metrics-port 65536", "metrics-port"), ("--metrics-host a", "metrics-port"),
            ("--metrics-allow 10.0.0.0/33", "metrics-allow"), ("--metrics-allow example.com", "metrics-allow"),
            ("--allow-credentials", "allowed-origins"),
            (#"--allowed-origins ["*"] --allow-credentials"#, "allow-credentials"),
            ("--allowed-origins [1]", "allowed-origins"), ("--allowed-origins [", "allowed-origins"),
        ])
    func refused(line: String, name: String) {
        do {
            _ = try Pagoda.parseAsRoot(arguments(line))
            Issue.record("\(line) was accepted")
        } catch {
            let message = Pagoda.message(for: error)
            #expect(message.contains("--\(name)"))
            #expect(!message.contains("naryy"))
        }
    }

    private func arguments(_ line: String) -> [String] {
        Pagoda.normalized(["serve", "M"] + line.split(separator: " ").map { String($0) })
    }
}
