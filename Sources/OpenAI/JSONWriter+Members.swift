// Members as the responses have them: absent values are written as null.

import JSON

extension JSONWriter {
    mutating func member(_ key: String, _ value: String?) {
        self.key(key)
        if let value { self.value(value) } else { null() }
    }

    mutating func member(_ key: String, _ value: (some FixedWidthInteger)?) {
        self.key(key)
        if let value { self.value(value) } else { null() }
    }

    mutating func member(_ key: String, _ value: Bool) {
        self.key(key)
        self.value(value)
    }

    mutating func member(_ key: String, _ values: [Int32]?) {
        self.key(key)
        guard let values else { return null() }
        beginArray()
        for value in values { self.value(value) }
        endArray()
    }

    mutating func member(_ key: String, _ values: [String]?) {
        self.key(key)
        guard let values else { return null() }
        beginArray()
        for value in values { self.value(value) }
        endArray()
    }

    /// Fields of vLLM's responses that are always null here.
    mutating func nulls(_ keys: String...) {
        for key in keys {
            self.key(key)
            null()
        }
    }
}
