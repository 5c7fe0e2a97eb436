// SoapySDR::Device in C++: settings, formats, nanoseconds. Everything else is asked of the functions of c.rs.

#include <SoapySDR/ConverterRegistry.hpp>
#include <SoapySDR/Device.hpp>
#include <SoapySDR/Formats.hpp>
#include <SoapySDR/Logger.hpp>
#include <SoapySDR/Registry.hpp>
#include <SoapySDR/Time.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <complex>
#include <stdexcept>
#include <string>
#include <vector>

extern "C" {
struct SidelinkDevice;
int sidelink_virtualair_medium(const char *medium, double *rate, double *frequency);
SidelinkDevice *sidelink_virtualair_new(const char *words);
void sidelink_virtualair_free(SidelinkDevice *);
int sidelink_virtualair_start(const SidelinkDevice *, double rate, double frequency, bool receiving, char *error, size_t size);
void sidelink_virtualair_stop(const SidelinkDevice *, bool receiving, bool all);
int64_t sidelink_virtualair_now(const SidelinkDevice *);
int64_t sidelink_virtualair_utc(const SidelinkDevice *);
size_t sidelink_virtualair_antennas(const SidelinkDevice *);
int sidelink_virtualair_read(
    const SidelinkDevice *, float *const *into, size_t antennas, size_t count, int64_t timeout_us, int64_t *first);
int sidelink_virtualair_write(
    const SidelinkDevice *, const float *samples, size_t count, bool timed, int64_t first, bool ends, int64_t timeout_us);
int sidelink_virtualair_status(const SidelinkDevice *, int64_t timeout_us, int64_t *sample);
void sidelink_virtualair_last_words(const SidelinkDevice *, char *words, size_t size);
}

namespace {

// Samples that go over at once. Reads may ask for more.
const size_t MTU = 4096;

const char *const MEDIUM = "sidelink";

// Rates of the bandwidths of LTE, where no medium is there to say one.
const double RATES[] = {1.92e6, 3.84e6, 5.76e6, 7.68e6, 11.52e6, 15.36e6, 23.04e6, 30.72e6};

const long long SECOND = 1000000000;

std::string medium_of(const SoapySDR::Kwargs &args)
{
    const auto it = args.find("medium");
    return it == args.end() ? MEDIUM : it->second;
}

// A format between the program and the floats of the air.
struct Format
{
    explicit Format(const std::string &name, int direction) : size(SoapySDR::formatToSize(name))
    {
        if (name == SOAPY_SDR_CF32) return;
        if (name != SOAPY_SDR_CS16) throw std::runtime_error("virtualair speaks CF32 and CS16, not " + name);
        const bool receives = direction == SOAPY_SDR_RX;
        convert = SoapySDR::ConverterRegistry::getFunction(
            receives ? SOAPY_SDR_CF32 : name, receives ? name : SOAPY_SDR_CF32, SoapySDR::ConverterRegistry::GENERIC);
    }

    size_t size;
    SoapySDR::ConverterRegistry::ConverterFunction convert = nullptr;
};

struct AirStream
{
    AirStream(int direction, const std::string &format, const std::vector<size_t> &channels)
        : direction(direction), format(format, direction), channels(channels)
    {
        size_t last = 0;
        for (const size_t channel : channels) last = std::max(last, channel);
        antennas.resize(last + 1);
    }

    int direction;
    Format format;
    bool active = false;
    // Channels in the order of the program's buffers: each an antenna of the port.
    std::vector<size_t> channels;
    // A buffer for each antenna up to the last that is asked for, where the program's cannot be used.
    std::vector<std::vector<std::complex<float>>> antennas;
    std::vector<std::complex<float>> buffer;
};

AirStream *of(SoapySDR::Stream *stream)
{
    return reinterpret_cast<AirStream *>(stream);
}

class VirtualAir : public SoapySDR::Device
{
public:
    explicit VirtualAir(const SoapySDR::Kwargs &args) : medium(medium_of(args))
    {
        std::string words;
        for (const auto &word : args)
        {
            // SoapyRemote's server adds words of its own.
            if (word.first == "driver" || word.first == "label" || word.first == "remote") continue;
            if (word.first.rfind("soapy_remote", 0) == 0) continue;
            if (word.first == "rate")
            {
                try { rate = std::stod(word.second); }
                catch (const std::exception &) { throw std::runtime_error("rate=" + word.second + ": write it as 15.36e6"); }
                continue;
            }
            if (word.first == "time")
            {
                if (word.second != "utc" && word.second != "zero")
                    throw std::runtime_error("time=" + word.second + ": write time=utc or time=zero");
                from_utc = word.second == "utc";
                continue;
            }
            words += (words.empty() ? "" : ",") + word.first + "=" + word.second;
        }
        double there = 0, carrier = 0;
        if (sidelink_virtualair_medium(medium.c_str(), &there, &carrier))
        {
            rate = there;
            frequency[0] = frequency[1] = carrier;
        }
        device = sidelink_virtualair_new(words.c_str());
    }

    ~VirtualAir() override { sidelink_virtualair_free(device); }

    std::string getDriverKey() const override { return "virtualair"; }
    std::string getHardwareKey() const override { return "sidelink virtual air"; }

    SoapySDR::Kwargs getHardwareInfo() const override
    {
        return {{"medium", medium}};
    }

    size_t getNumChannels(const int direction) const override
    {
        return direction == SOAPY_SDR_RX ? sidelink_virtualair_antennas(device) : 1;
    }
    bool getFullDuplex(const int, const size_t) const override { return true; }

    // ---- streams

    std::vector<std::string> getStreamFormats(const int, const size_t) const override
    {
        return {SOAPY_SDR_CF32, SOAPY_SDR_CS16};
    }

    std::string getNativeStreamFormat(const int, const size_t, double &fullScale) const override
    {
        fullScale = 1.0;
        return SOAPY_SDR_CF32;
    }

    SoapySDR::Stream *setupStream(
        const int direction, const std::string &format, const std::vector<size_t> &channels, const SoapySDR::Kwargs &) override
    {
        const std::vector<size_t> wanted = channels.empty() ? std::vector<size_t>{0} : channels;
        const size_t has = getNumChannels(direction);
        for (size_t i = 0; i < wanted.size(); ++i)
        {
            if (wanted[i] >= has)
                throw std::runtime_error(
                    "virtualair has no channel " + std::to_string(wanted[i]) + " here, the last is " + std::to_string(has - 1));
            for (size_t j = 0; j < i; ++j)
                if (wanted[j] == wanted[i]) throw std::runtime_error("virtualair: a channel is named twice");
        }
        return reinterpret_cast<SoapySDR::Stream *>(new AirStream(direction, format, wanted));
    }

    void closeStream(SoapySDR::Stream *stream) override
    {
        deactivateStream(stream, 0, 0);
        delete of(stream);
    }

    size_t getStreamMTU(SoapySDR::Stream *) const override { return MTU; }

    int activateStream(SoapySDR::Stream *stream, const int flags, const long long, const size_t numElems) override
    {
        if (flags != 0 || numElems != 0) return SOAPY_SDR_NOT_SUPPORTED;
        const bool receiving = of(stream)->direction == SOAPY_SDR_RX;
        char error[1024] = "";
        const double carrier = frequency[of(stream)->direction];
        if (sidelink_virtualair_start(device, rate, carrier, receiving, error, sizeof error) != 0)
            throw std::runtime_error(error);
        // Programs that take subframes from the time of a device take them from its UTC.
        const long long utc = sidelink_virtualair_utc(device);
        if (from_utc && !time_was_set && utc != 0) offset = utc;
        if (!of(stream)->active) ++active;
        of(stream)->active = true;
        return 0;
    }

    int deactivateStream(SoapySDR::Stream *stream, const int flags, const long long) override
    {
        if (flags != 0) return SOAPY_SDR_NOT_SUPPORTED;
        if (!of(stream)->active) return 0;
        of(stream)->active = false;
        sidelink_virtualair_stop(device, of(stream)->direction == SOAPY_SDR_RX, --active == 0);
        return 0;
    }

    int readStream(
        SoapySDR::Stream *stream,
        void *const *buffs,
        const size_t numElems,
        int &flags,
        long long &timeNs,
        const long timeoutUs) override
    {
        AirStream &s = *of(stream);
        if (s.direction != SOAPY_SDR_RX) return SOAPY_SDR_NOT_SUPPORTED;
        if (!s.active) return SOAPY_SDR_STREAM_ERROR;
        flags = 0;
        const bool converts = s.format.convert != nullptr;
        std::vector<float *> into(s.antennas.size(), nullptr);
        if (!converts)
            for (size_t i = 0; i < s.channels.size(); ++i) into[s.channels[i]] = static_cast<float *>(buffs[i]);
        for (size_t antenna = 0; antenna < into.size(); ++antenna)
        {
            if (into[antenna] != nullptr) continue;
            s.antennas[antenna].resize(std::max(numElems, s.antennas[antenna].size()));
            into[antenna] = reinterpret_cast<float *>(s.antennas[antenna].data());
        }
        int64_t first = 0;
        const int count = sidelink_virtualair_read(device, into.data(), into.size(), numElems, timeoutUs, &first);
        if (count < 0) return fail(count);
        for (size_t i = 0; converts && i < s.channels.size(); ++i)
            s.format.convert(into[s.channels[i]], buffs[i], size_t(count), 1.0);
        flags = SOAPY_SDR_HAS_TIME;
        timeNs = time_of(first);
        return count;
    }

    int writeStream(
        SoapySDR::Stream *stream,
        const void *const *buffs,
        const size_t numElems,
        int &flags,
        const long long timeNs,
        const long timeoutUs) override
    {
        AirStream &s = *of(stream);
        if (s.direction != SOAPY_SDR_TX) return SOAPY_SDR_NOT_SUPPORTED;
        if (!s.active) return SOAPY_SDR_STREAM_ERROR;
        const float *samples = static_cast<const float *>(buffs[0]);
        if (s.format.convert != nullptr)
        {
            s.buffer.resize(numElems);
            s.format.convert(buffs[0], s.buffer.data(), numElems, 1.0);
            samples = reinterpret_cast<const float *>(s.buffer.data());
        }
        const bool timed = (flags & SOAPY_SDR_HAS_TIME) != 0;
        const bool ends = (flags & SOAPY_SDR_END_BURST) != 0;
        const int64_t first = timed ? SoapySDR::timeNsToTicks(timeNs - offset, rate) : 0;
        return fail(sidelink_virtualair_write(device, samples, numElems, timed, first, ends, timeoutUs));
    }

    int readStreamStatus(
        SoapySDR::Stream *stream, size_t &chanMask, int &flags, long long &timeNs, const long timeoutUs) override
    {
        if (of(stream)->direction != SOAPY_SDR_TX) return SOAPY_SDR_NOT_SUPPORTED;
        int64_t sample = -1;
        const int code = sidelink_virtualair_status(device, timeoutUs, &sample);
        if (code == SOAPY_SDR_TIMEOUT) return code;
        chanMask = 1;
        flags = code == 0 ? SOAPY_SDR_END_BURST : 0;
        if (sample >= 0)
        {
            flags |= SOAPY_SDR_HAS_TIME;
            timeNs = time_of(sample);
        }
        return code;
    }

    // ---- settings: antenna, gain and carrier are kept and change nothing; the medium has its own

    std::vector<std::string> listAntennas(const int direction, const size_t) const override
    {
        return {direction == SOAPY_SDR_RX ? "RX" : "TX"};
    }

    void setAntenna(const int direction, const size_t channel, const std::string &name) override
    {
        if (name != listAntennas(direction, channel)[0]) throw std::runtime_error("virtualair has no antenna " + name);
    }

    std::string getAntenna(const int direction, const size_t channel) const override
    {
        return listAntennas(direction, channel)[0];
    }

    std::vector<std::string> listGains(const int, const size_t) const override { return {"AIR"}; }

    void setGain(const int direction, const size_t, const std::string &, const double value) override
    {
        gain[direction] = value;
    }

    double getGain(const int direction, const size_t, const std::string &) const override { return gain[direction]; }

    SoapySDR::Range getGainRange(const int, const size_t, const std::string &) const override
    {
        return SoapySDR::Range(0, 100);
    }

    void setFrequency(
        const int direction, const size_t, const std::string &, const double value, const SoapySDR::Kwargs &) override
    {
        frequency[direction] = value;
    }

    double getFrequency(const int direction, const size_t, const std::string &) const override
    {
        return frequency[direction];
    }

    std::vector<std::string> listFrequencies(const int, const size_t) const override { return {"RF"}; }

    SoapySDR::RangeList getFrequencyRange(const int, const size_t, const std::string &) const override
    {
        return {SoapySDR::Range(0, 1e12)};
    }

    void setSampleRate(const int direction, const size_t channel, const double value) override
    {
        if (active > 0 && value != rate) throw std::runtime_error("virtualair cannot change its rate while it runs");
        double there = 0, carrier = 0;
        if (sidelink_virtualair_medium(medium.c_str(), &there, &carrier) && there != value)
            throw std::runtime_error("the medium " + medium + " runs at " + std::to_string(there) + " samples a second");
        (void)direction, (void)channel;
        rate = value;
    }

    double getSampleRate(const int, const size_t) const override { return rate; }

    std::vector<double> listSampleRates(const int, const size_t) const override
    {
        double there = 0, carrier = 0;
        if (sidelink_virtualair_medium(medium.c_str(), &there, &carrier)) return {there};
        return std::vector<double>(std::begin(RATES), std::end(RATES));
    }

    SoapySDR::RangeList getSampleRateRange(const int, const size_t) const override
    {
        double there = 0, carrier = 0;
        if (sidelink_virtualair_medium(medium.c_str(), &there, &carrier)) return {SoapySDR::Range(there, there)};
        return {SoapySDR::Range(1e5, 1e9)};
    }

    // ---- time

    std::vector<std::string> listClockSources() const override { return {"internal"}; }
    std::string getClockSource() const override { return "internal"; }
    void setClockSource(const std::string &source) override { only(source, listClockSources()); }

    // external: the seconds of the air's UTC
    std::vector<std::string> listTimeSources() const override { return {"none", "external"}; }
    std::string getTimeSource() const override { return time_source; }

    void setTimeSource(const std::string &source) override
    {
        only(source, listTimeSources());
        time_source = source;
    }

    bool hasHardwareTime(const std::string &what) const override { return what.empty() || what == "PPS"; }

    long long getHardwareTime(const std::string &) const override
    {
        // Before it runs, the air's UTC is that of this computer.
        if (active == 0 && from_utc && !time_was_set) return host_utc();
        return time_of(sidelink_virtualair_now(device));
    }

    void setHardwareTime(const long long timeNs, const std::string &what) override
    {
        const long long now = SoapySDR::ticksToTimeNs(sidelink_virtualair_now(device), rate);
        if (what != "PPS")
        {
            offset = timeNs - now;
            time_was_set = true;
            return;
        }
        const long long utc = sidelink_virtualair_utc(device);
        if (time_source != "external" || utc == 0)
            throw std::runtime_error("no pulse: set the time source to external, activate a stream, let the port know UTC");
        // From now on as it will be behind the next second.
        const long long next = ((utc + now) / SECOND + 1) * SECOND;
        offset = timeNs - (next - utc);
        time_was_set = true;
    }

private:
    static void only(const std::string &source, const std::vector<std::string> &offered)
    {
        for (const auto &one : offered)
            if (one == source) return;
        throw std::runtime_error("virtualair has no source " + source);
    }

    static long long host_utc()
    {
        const auto since = std::chrono::system_clock::now().time_since_epoch();
        return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
    }

    long long time_of(int64_t sample) const { return SoapySDR::ticksToTimeNs(sample, rate) + offset; }

    int fail(int code)
    {
        if (code == SOAPY_SDR_STREAM_ERROR && !told.exchange(true))
        {
            char words[1024] = "";
            sidelink_virtualair_last_words(device, words, sizeof words);
            SoapySDR::logf(SOAPY_SDR_ERROR, "virtualair: %s", words);
        }
        return code;
    }

    const std::string medium;
    SidelinkDevice *device;
    double rate = 15.36e6;
    double frequency[2] = {0, 0};
    double gain[2] = {0, 0};
    std::string time_source = "none";
    // Whether time 0 is that of UTC, or sample 0.
    bool from_utc = true;
    std::atomic<bool> time_was_set{false};
    // The device's clock at sample 0.
    std::atomic<long long> offset{0};
    std::atomic<int> active{0};
    std::atomic<bool> told{false};
};

SoapySDR::KwargsList find(const SoapySDR::Kwargs &args)
{
    // Without a driver, words of other makers' devices are not meant for the air.
    if (args.count("driver") == 0 && !args.empty() && args.count("medium") == 0) return {};
    SoapySDR::Kwargs found = args;
    found["driver"] = "virtualair";
    found["medium"] = medium_of(args);
    found["label"] = "sidelink virtual air " + found["medium"];
    return {found};
}

SoapySDR::Device *make(const SoapySDR::Kwargs &args)
{
    return new VirtualAir(args);
}

const SoapySDR::Registry registry("virtualair", &find, &make, SOAPY_SDR_ABI_VERSION);

} // namespace
