// Fields that would change the output and are not built: refused by name, never ignored.

import JSON

/// A field of the API, of vLLM's extensions or of its past that this server does not serve. Values that ask for
/// nothing (null, false, empty ones, and those listed) are accepted.
struct UnsupportedField {
    let name: String
    let neutral: [JSONValue]

    init(_ name: String, neutral: JSONValue...) {
        self.name = name
        self.neutral = neutral
    }

    static let all: [UnsupportedField] = [
        UnsupportedField("response_format", neutral: ["type": "text"]),
        UnsupportedField("structured_outputs"),
        // vLLM has dropped these and answers without the constraint.
        UnsupportedField("guided_json"),
        UnsupportedField("guided_regex"),
        UnsupportedField("guided_choice"),
        UnsupportedField("guided_grammar"),
        UnsupportedField("guided_decoding_backend"),
        UnsupportedField("guided_whitespace_pattern"),
        UnsupportedField("logits_processors"),
        UnsupportedField("suffix"),
        UnsupportedField("best_of", neutral: 1),
        UnsupportedField("use_beam_search"),
        UnsupportedField("early_stopping"),
        UnsupportedField("watermarking"),
        UnsupportedField("thinking_token_budget", neutral: -1),
        UnsupportedField("repetition_detection"),
        UnsupportedField("prompt_embeds"),
        UnsupportedField("kv_transfer_params"),
        UnsupportedField("ec_transfer_params"),
        UnsupportedField("vllm_xargs"),
        UnsupportedField("mm_processor_kwargs"),
        UnsupportedField("media_io_kwargs"),
        UnsupportedField("modalities", neutral: ["text"]),
        UnsupportedField("audio"),
        UnsupportedField("functions"),
        UnsupportedField("function_call", neutral: "none", "auto"),
        UnsupportedField("web_search_options"),
    ]

    static func refuse(in fields: RequestFields) throws(RequestError) {
        for field in all {
            guard let value = fields.value(field.name), !field.accepts(value) else { continue }
            throw fields.invalid(field.name, "is not supported by this server.")
        }
    }

    private func accepts(_ value: JSONValue) -> Bool {
        switch value {
        case .null, .bool(false): true
        case .string(let text) where text.isEmpty: true
        case .array(let elements) where elements.isEmpty: true
        case .object(let object) where object.members.allSatisfy(\.value.isNull): true
        default: neutral.contains(value)
        }
    }
}
