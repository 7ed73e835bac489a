// Least squares with coefficients that must not be negative.

/// Lawson and Hanson's active set (Solving Least Squares Problems, 1974, chapter 23) on the normal equations, which are
/// small here: as many unknowns as a step has features.
public enum NonNegativeLeastSquares {
    /// The x ≥ 0 that minimises xᵀ`gram`x − 2 xᵀ`rhs`.
    ///
    /// - Parameters:
    ///   - gram: AᵀA, symmetric; an unknown whose diagonal is 0 has no part in anything and gets 0.
    ///   - rhs: Aᵀb, of as many.
    public static func solve(gram: [[Double]], rhs: [Double]) -> [Double] {
        let count = rhs.count
        // Unknowns are as different in size as bytes and seconds: each is scaled to a diagonal of 1.
        let scales = (0..<count).map { gram[$0][$0] > 0 ? 1 / gram[$0][$0].squareRoot() : 0 }
        let scaledGram = (0..<count).map { row in
            (0..<count).map { gram[row][$0] * scales[row] * scales[$0] }
        }
        let scaledRHS = (0..<count).map { rhs[$0] * scales[$0] }
        let tolerance = 1e-12 * (scaledRHS.map(\.magnitude).max() ?? 0)
        var solution = [Double](repeating: 0, count: count)
        var isFree = [Bool](repeating: false, count: count)
        // It ends by itself after a few rounds; rounding alone could make it go in circles.
        for _ in 0..<(10 * count) {
            var entering: Int?
            var steepest = tolerance
            for index in 0..<count where !isFree[index] && scales[index] > 0 {
                let slope = scaledRHS[index] - dot(scaledGram[index], solution)
                if slope > steepest { (entering, steepest) = (index, slope) }
            }
            guard let entering else { break }
            isFree[entering] = true
            while true {
                let free = (0..<count).filter { isFree[$0] }
                guard let target = solveSymmetric(scaledGram, scaledRHS, among: free) else {
                    isFree[entering] = false
                    break
                }
                // As far towards it as all stay above 0; whoever is the first to get there stays there.
                var share = 1.0
                var bound: Int?
                for (place, index) in free.enumerated() where target[place] <= 0 {
                    let way = solution[index] - target[place]
                    let part = way > 0 ? solution[index] / way : 0
                    if bound == nil || part < share { (bound, share) = (index, part) }
                }
                for (place, index) in free.enumerated() {
                    solution[index] += share * (target[place] - solution[index])
                }
                guard let bound else { break }
                solution[bound] = 0
                isFree[bound] = false
            }
            if !isFree[entering] { break }
        }
        return (0..<count).map { max(0, solution[$0]) * scales[$0] }
    }

    private static func dot(_ left: [Double], _ right: [Double]) -> Double {
        var sum = 0.0
        for index in left.indices { sum += left[index] * right[index] }
        return sum
    }

    /// The unknowns `free` of the equations, the others being 0, by Cholesky's factor; nil if they say too little.
    private static func solveSymmetric(_ gram: [[Double]], _ rhs: [Double], among free: [Int]) -> [Double]? {
        let count = free.count
        var factor = [[Double]](repeating: [Double](repeating: 0, count: count), count: count)
        for row in 0..<count {
            for column in 0...row {
                var sum = gram[free[row]][free[column]]
                for index in 0..<column { sum -= factor[row][index] * factor[column][index] }
                if row == column {
                    guard sum > 1e-14 else { return nil }
                    factor[row][row] = sum.squareRoot()
                } else {
                    factor[row][column] = sum / factor[column][column]
                }
            }
        }
        var solution = free.map { rhs[$0] }
        for row in 0..<count {
            for index in 0..<row { solution[row] -= factor[row][index] * solution[index] }
            solution[row] /= factor[row][row]
        }
        for row in (0..<count).reversed() {
            for index in (row + 1)..<count { solution[row] -= factor[index][row] * solution[index] }
            solution[row] /= factor[row][row]
        }
        return solution
    }
}
