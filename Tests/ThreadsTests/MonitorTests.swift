import Testing
import Threads

@Suite struct MonitorTests {
  private let clock = ContinuousClock()

  @Test func timeRunsOut() {
    let flag = Monitor(false)
    var isSet = true
    // A second and more, so that its parts are counted too.
    let taken = clock.measure { isSet = flag.wait(.milliseconds(1100)) { $0 } }
    #expect(!isSet)
    #expect(taken >= .milliseconds(1100))
    #expect(taken < .seconds(60))
  }

  @Test func whatHoldsAlreadyIsNotWaitedFor() {
    let flag = Monitor(true)
    for limit in [Duration.zero, .seconds(600)] {
      var isSet = false
      let taken = clock.measure { isSet = flag.wait(limit) { $0 } }
      #expect(isSet)
      #expect(taken < .seconds(60))
    }
    #expect(!flag.wait(.zero) { !$0 })
  }

  /// Woken again and again, but only once for what it waits for.
  @Test func aChangeWakesEarly() throws {
    let count = Monitor(0)
    let waits = Monitor(false)
    let counter = try #require(
      Thread(name: "counter") {
        _ = waits.wait(.seconds(60)) { $0 }
        for _ in 0..<100 { count.update { $0 += 1 } }
      })
    var hasCounted = false
    let taken = clock.measure {
      hasCounted = count.wait(.seconds(600)) { count in
        waits.update { $0 = true }
        return count == 100
      }
    }
    #expect(hasCounted)
    #expect(taken < .seconds(60))
    counter.join()
    #expect(count.update { $0 } == 100)
  }

  /// Changes that do not matter do not make the limit longer.
  @Test func otherChangesDoNotPutTheLimitOff() throws {
    let state = Monitor((changes: 0, isOver: false))
    let changer = try #require(
      Thread(name: "changer") {
        while state.update({ state in
          state.changes += 1
          return !state.isOver
        }) {}
      })
    #expect(!state.wait(.milliseconds(50)) { $0.changes < 0 })
    state.update { $0.isOver = true }
    changer.join()
  }
}
