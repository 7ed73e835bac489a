import JSON
import Templating
import Testing

@Suite("Agreement with Jinja2")
struct GoldenTests {
    @Test("each rule of the language gives what Jinja2 gives")
    func snippets() throws {
        let golden = try GoldenFiles.read("snippets.json")
        let variables = try #require(golden["variables"]?.objectValue)
        let snippets = try #require(golden["snippets"]?.arrayValue)
        #expect(snippets.count > 900)
        for snippet in snippets {
            let source = try #require(snippet["template"]?.stringValue)
            let expected = try Outcome(golden: snippet)
            let outcome = Outcome(rendering: source, variables)
            #expect(outcome.matches(expected), "\(source.debugDescription) gives \(outcome), not \(expected)")
        }
    }

    @Test("published chat templates give what Transformers gives, errors included")
    func publishedTemplates() throws {
        let conversations = try #require(try GoldenFiles.read("conversations.json").objectValue)
        let templates = try #require(try GoldenFiles.read("templates.json").arrayValue)
        #expect(templates.count >= 22)
        #expect(conversations.count >= 12)
        for template in templates {
            let name = try #require(template["name"]?.stringValue)
            let source = try GoldenFiles.template(name, origin: try #require(template["origin"]?.stringValue))
            let tokens = try #require(template["tokens"]?.objectValue)
            for conversation in conversations.members {
                let expected = try Outcome(golden: try #require(template["results"]?[conversation.key]))
                let variables = try #require(conversation.value.objectValue)
                let outcome = Outcome(rendering: source, variables, trusted: tokens)
                #expect(outcome.matches(expected), "\(name), \(conversation.key): \(outcome), not \(expected)")
            }
        }
    }
}
