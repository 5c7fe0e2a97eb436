-- LTE sidelink above MAC, for Wireshark and tshark 4.0 and later.
--
--   sidelink wireshark install     puts this file where Wireshark finds it, and a profile with columns for its fields
--   tshark -X lua_script:sidelink.lua -r decoded.pcap
--
-- It reads the packets that the project's pcap writer makes (link type 252: each packet names its dissector):
--
--   sidelink-pc5-discovery            a PC5_DISCOVERY message of SL-DCH, 29 octets        TS 24.334 §11.2.5
--   sidelink-pdcp                     a one-to-many PDCP PDU, in the clear                 TS 36.323 §6.2.10
--   sidelink-pdcp-one-to-one          a one-to-one PDCP PDU, in the clear                  TS 36.323 §6.2.10
--   sidelink-pdcp-one-to-one-mac-i    the same with a MAC-I at its end
--   sidelink-sci                      an SCI of format 0 or 1: its bits, and its fields
--   sidelink-block                    a transport block that is no MAC PDU
--   sidelink-mac                      a MAC PDU that ends with PC5 signalling
--
-- Each packet may have metadata, in an exported-PDU tag of its own (0x534c, recordings/src/pcap/metadata.rs).
--
-- and, after Wireshark's own MAC-LTE dissector, the SDUs of SL-SCH: RLC UM with the 5-bit sequence number (TS 36.322
-- §6.2.1.3), then PDCP. Version 2 of the SL-SCH subheader and LCIDs 28 to 30 mean one-to-one, all others one-to-many.
--
-- Fields (all can be filtered for, and given to tshark -T fields -e):
--
--   sidelink.channel            1 PSBCH, 2 PSCCH, 3 PSSCH, 4 PSDCH
--   sidelink.prb                first PRB;   .prbs  number of PRBs
--   sidelink.mcs                I_MCS;   .priority  PPPP, 1 to 8;   .group  group destination ID of SCI format 0
--   sidelink.snr                signal to noise ratio of a resource element in dB
--   sidelink.evm                error vector magnitude in percent
--   sidelink.cfo                carrier offset in Hz;   .delay  against the receive window in microseconds
--   sidelink.subframe           subframe of the capture;   .transmissions  how many were combined
--   sidelink.source             source layer-2 ID;   .destination  destination layer-2 ID
--   sidelink.sci.format         0 or 1;   .bits  as sent
--   sidelink.sci.hopping  .rb_assignment  .trp  .timing_advance      of format 0
--   sidelink.sci.reservation  .frequency_resource  .gap  .retransmission      of format 1
--   sidelink.block              octets of a transport block that is no MAC PDU
--   sidelink.lcid               logical channel of the RLC PDU that follows
--   sidelink.rlc.fi             framing info: 0 whole, 1 first part, 2 last part, 3 middle
--   sidelink.rlc.extension      whether length indicators follow
--   sidelink.rlc.sn             sequence number, 0..31
--   sidelink.rlc.li             length indicator, one per data element but the last
--   sidelink.rlc.data           a data element that begins within an SDU: no header to read in it
--   sidelink.pdcp.sdu_type      0 IP, 1 ARP, 2 PC5 signalling, 3 non-IP
--   sidelink.pdcp.pgk_index     one-to-many: 5 low bits of the PGK identity; 0 means not ciphered
--   sidelink.pdcp.ptk_id        one-to-many: PTK identity; 0 means not ciphered
--   sidelink.pdcp.kd_sess_id    one-to-one: KD-sess ID; 0 means not protected
--   sidelink.pdcp.sn            sequence number, 0..65535
--   sidelink.pdcp.data          data that are not dissected further (ciphered, segmented, or non-IP)
--   sidelink.pdcp.mac_i         message authentication code
--   sidelink.pc5s.type          PC5 signalling message type
--   sidelink.pc5s.sequence      its sequence number
--   sidelink.pc5s.body          its information elements
--   sidelink.disc.message_type  the first octet;   .discovery_type  .content_type  .model  are its parts
--   sidelink.disc.code          184-bit ProSe code;   .plmn_scope  .mcc  .mnc  .temporary_id  are those of an open one
--   sidelink.disc.service_code  relay service code;   .group_id  discovery group ID
--   sidelink.disc.info          user info ID of the sender
--   sidelink.disc.composition   what a solicitation or additional information holds
--   sidelink.disc.ue_id         ProSe UE ID;   .target_user  .target_group  whom a group member seeks
--   sidelink.disc.ecgi          cell of a relay;   .tmgi  .mbms_group  MBMS session of a relay
--   sidelink.disc.relay_id      ProSe relay UE ID;   .status  its status indicator
--   sidelink.disc.body          content that is not dissected further
--   sidelink.disc.mic           message integrity code
--   sidelink.disc.utc_lsb       low bits of the UTC-based counter: 8, of which the text has 4 in open discovery
--   sidelink.malformed          expert information: a length that does not fit
--
-- Preference: -o sidelink.null_ciphering:TRUE reads the data of protected bearers too (EEA0: keys, but no ciphering).
--
-- Standing of what is read here: widths of RLC and PDCP fields were read in the specifications, and the one-to-many PDCP
-- header was seen in captures. From memory, the text not read: the five reserved bits of the one-to-one header and the
-- meaning of LCIDs 28 to 30. Read: the bodies of discovery messages (TS 24.334 §11.2.5.1) and the PC5 signalling message
-- types (§12.5.1.1). A scrambled discovery message shows its scrambled bits.
-- There is no reassembly of segmented RLC SDUs and no deciphering: the program writes what it deciphered as a
-- sidelink-pdcp packet of its own.

local sidelink = Proto("sidelink", "LTE sidelink")

local SDU_TYPES = { [0] = "IP", [1] = "ARP", [2] = "PC5 signalling", [3] = "Non-IP" }
local FRAMING = {
    [0] = "whole SDUs", [1] = "the last SDU goes on", [2] = "the first SDU began before", [3] = "began before, goes on",
}
local PC5S_TYPES = {
    [1] = "Direct Communication Request", [2] = "Direct Communication Accept", [3] = "Direct Communication Reject",
    [4] = "Direct Communication Keepalive", [5] = "Direct Communication Keepalive Ack",
    [6] = "Direct Communication Release", [7] = "Direct Communication Release Accept",
    [8] = "TMGI Monitoring Request", [9] = "TMGI Monitoring Response",
    [10] = "Cell ID Announcement Request", [11] = "Cell ID Announcement Response",
    [12] = "Direct Security Mode Command", [13] = "Direct Security Mode Complete", [14] = "Direct Security Mode Reject",
    [15] = "Direct Rekeying Request", [16] = "Direct Rekeying Response", [17] = "Direct Rekeying Trigger",
    [18] = "Remote UE Info Request", [19] = "Remote UE Info Response",
}
local DISCOVERY_TYPES = { [0] = "reserved", [1] = "open", [2] = "restricted", [3] = "experiment" }
local CONTENT_TYPES = {
    [0] = "announcement or response", [1] = "query", [4] = "relay announcement or response",
    [5] = "relay solicitation", [6] = "group member announcement or response", [7] = "group member solicitation",
    [8] = "relay additional information",
}
local MODELS = { [1] = "A", [2] = "B" }
local PLMN_SCOPES = { [0] = "global", [1] = "reserved", [2] = "country", [3] = "PLMN" }

local DIRECT_SECURITY_MODE_COMMAND = 12
local LCID_UNPROTECTED, LCID_SECURITY_MODE, LCID_PROTECTED, LCID_PADDING = 28, 29, 30, 31

local CHANNELS = { [1] = "PSBCH", [2] = "PSCCH", [3] = "PSSCH", [4] = "PSDCH" }

local F = {
    channel = ProtoField.uint8("sidelink.channel", "Channel", base.DEC, CHANNELS),
    prb = ProtoField.uint16("sidelink.prb", "First PRB"),
    prbs = ProtoField.uint16("sidelink.prbs", "PRBs"),
    mcs = ProtoField.uint8("sidelink.mcs", "MCS"),
    priority = ProtoField.uint8("sidelink.priority", "Priority (PPPP)"),
    group = ProtoField.uint8("sidelink.group", "Group destination ID"),
    snr = ProtoField.float("sidelink.snr", "SNR in dB"),
    evm = ProtoField.float("sidelink.evm", "EVM in percent"),
    cfo = ProtoField.int32("sidelink.cfo", "Carrier offset in Hz"),
    delay = ProtoField.float("sidelink.delay", "Delay in microseconds"),
    subframe = ProtoField.uint32("sidelink.subframe", "Subframe of the capture"),
    transmissions = ProtoField.uint8("sidelink.transmissions", "Transmissions combined"),
    source = ProtoField.uint24("sidelink.source", "Source layer-2 ID", base.HEX),
    destination = ProtoField.uint24("sidelink.destination", "Destination layer-2 ID", base.HEX),
    sci_format = ProtoField.uint8("sidelink.sci.format", "SCI format"),
    sci_bits = ProtoField.bytes("sidelink.sci.bits", "Bits"),
    hopping = ProtoField.uint8("sidelink.sci.hopping", "Frequency hopping"),
    rb_assignment = ProtoField.uint16("sidelink.sci.rb_assignment", "Resource block assignment"),
    trp = ProtoField.uint8("sidelink.sci.trp", "Time resource pattern"),
    timing_advance = ProtoField.uint16("sidelink.sci.timing_advance", "Timing advance"),
    reservation = ProtoField.uint16("sidelink.sci.reservation", "Reservation in ms"),
    frequency_resource = ProtoField.uint8("sidelink.sci.frequency_resource", "Frequency resource location"),
    gap = ProtoField.uint8("sidelink.sci.gap", "Gap to the retransmission"),
    retransmission = ProtoField.uint8("sidelink.sci.retransmission", "Retransmission"),
    block = ProtoField.bytes("sidelink.block", "Octets"),
    lcid = ProtoField.uint8("sidelink.lcid", "LCID"),
    rlc_fi = ProtoField.uint8("sidelink.rlc.fi", "Framing info", base.DEC, FRAMING),
    rlc_extension = ProtoField.bool("sidelink.rlc.extension", "Length indicators follow"),
    rlc_sn = ProtoField.uint8("sidelink.rlc.sn", "RLC sequence number"),
    rlc_li = ProtoField.uint16("sidelink.rlc.li", "Length indicator"),
    rlc_data = ProtoField.bytes("sidelink.rlc.data", "Continuation of an SDU"),
    sdu_type = ProtoField.uint8("sidelink.pdcp.sdu_type", "SDU type", base.DEC, SDU_TYPES),
    pgk_index = ProtoField.uint8("sidelink.pdcp.pgk_index", "PGK index"),
    ptk_id = ProtoField.uint16("sidelink.pdcp.ptk_id", "PTK identity", base.HEX),
    kd_sess_id = ProtoField.uint16("sidelink.pdcp.kd_sess_id", "KD-sess ID", base.HEX),
    pdcp_sn = ProtoField.uint16("sidelink.pdcp.sn", "PDCP sequence number"),
    pdcp_data = ProtoField.bytes("sidelink.pdcp.data", "Data"),
    mac_i = ProtoField.uint32("sidelink.pdcp.mac_i", "MAC-I", base.HEX),
    pc5s_type = ProtoField.uint8("sidelink.pc5s.type", "Message type", base.DEC, PC5S_TYPES),
    pc5s_sequence = ProtoField.uint16("sidelink.pc5s.sequence", "Sequence number"),
    pc5s_body = ProtoField.bytes("sidelink.pc5s.body", "Information elements"),
    message_type = ProtoField.uint8("sidelink.disc.message_type", "Message type", base.HEX),
    discovery_type = ProtoField.uint8("sidelink.disc.discovery_type", "Discovery type", base.DEC, DISCOVERY_TYPES),
    content_type = ProtoField.uint8("sidelink.disc.content_type", "Content type", base.DEC, CONTENT_TYPES),
    model = ProtoField.uint8("sidelink.disc.model", "Model", base.DEC, MODELS),
    code = ProtoField.bytes("sidelink.disc.code", "ProSe code"),
    plmn_scope = ProtoField.uint8("sidelink.disc.plmn_scope", "Scope", base.DEC, PLMN_SCOPES),
    mcc = ProtoField.uint16("sidelink.disc.mcc", "MCC"),
    mnc = ProtoField.uint16("sidelink.disc.mnc", "MNC"),
    temporary_id = ProtoField.bytes("sidelink.disc.temporary_id", "Temporary identity"),
    service_code = ProtoField.uint24("sidelink.disc.service_code", "Relay service code", base.HEX),
    group_id = ProtoField.uint24("sidelink.disc.group_id", "Discovery group ID", base.HEX),
    info = ProtoField.bytes("sidelink.disc.info", "User info ID"),
    composition = ProtoField.uint8("sidelink.disc.composition", "Composition", base.HEX),
    ue_id = ProtoField.uint24("sidelink.disc.ue_id", "ProSe UE ID", base.HEX),
    target_user = ProtoField.bytes("sidelink.disc.target_user", "Target user info"),
    target_group = ProtoField.uint24("sidelink.disc.target_group", "Target group info", base.HEX),
    ecgi = ProtoField.bytes("sidelink.disc.ecgi", "ECGI"),
    tmgi = ProtoField.bytes("sidelink.disc.tmgi", "TMGI"),
    mbms_group = ProtoField.uint24("sidelink.disc.mbms_group", "ProSe layer-2 group ID", base.HEX),
    relay_id = ProtoField.uint24("sidelink.disc.relay_id", "ProSe relay UE ID", base.HEX),
    status = ProtoField.uint8("sidelink.disc.status", "Status indicator", base.HEX),
    body = ProtoField.bytes("sidelink.disc.body", "Content"),
    mic = ProtoField.uint32("sidelink.disc.mic", "MIC", base.HEX),
    utc_lsb = ProtoField.uint8("sidelink.disc.utc_lsb", "UTC-based counter, low bits"),
}
sidelink.fields = F

local malformed = ProtoExpert.new("sidelink.malformed", "Sidelink: malformed", expert.group.MALFORMED, expert.severity.ERROR)
sidelink.experts = { malformed }

sidelink.prefs.null_ciphering =
    Pref.bool("Protected bearers are not ciphered (EEA0)", false, "Read the data of bearers with a key identity too")

-- A field of a few bits, with the octets that it lies in highlighted.
local function add_bits(tree, field, tvb, first_bit, bits)
    local first = math.floor(first_bit / 8)
    local last = math.floor((first_bit + bits - 1) / 8)
    local value = tvb(first, last - first + 1):bitfield(first_bit % 8, bits)
    tree:add(field, tvb(first, last - first + 1), value)
    return value
end

local function add_malformed(tree, tvb, why)
    tree:add_tvb_expert_info(malformed, tvb, why)
end

-- Wireshark's dissectors for what PDCP carries.
local ip, ipv6, arp = Dissector.get("ip"), Dissector.get("ipv6"), Dissector.get("arp")

-- PC5 signalling                                                                            TS 24.334 §12.5

local function dissect_pc5s(tvb, pinfo, tree)
    if tvb:len() < 3 then
        return add_malformed(tree, tvb:range(), "A PC5 signalling message has three octets or more")
    end
    local message_type = tvb(0, 1):uint()
    local name = PC5S_TYPES[message_type] or string.format("PC5 signalling message %d", message_type)
    local item = tree:add(sidelink, tvb(), name)
    item:add(F.pc5s_type, tvb(0, 1))
    item:add(F.pc5s_sequence, tvb(1, 2))
    if tvb:len() > 3 then
        item:add(F.pc5s_body, tvb(3))
    end
    pinfo.cols.info:append(" " .. name)
end

-- PDCP                                                                                      TS 36.323 §6.2.10

-- Gives a packet to one of Wireshark's dissectors.
local function hand_over(dissector, tvb, pinfo, tree)
    pinfo.cols.info:append(" ")
    pinfo.cols.info:fence()
    if not pcall(dissector.call, dissector, tvb, pinfo, tree) then
        add_malformed(tree, tvb:range(), "The packet is malformed")
    end
end

-- What the data are, when they are in the clear and whole.
local function dissect_pdcp_sdu(tvb, pinfo, tree, sdu_type)
    local version = tvb(0, 1):bitfield(0, 4)
    if sdu_type == 0 and (version == 4 or version == 6) then
        return hand_over(version == 4 and ip or ipv6, tvb, pinfo, tree)
    elseif sdu_type == 1 then
        return hand_over(arp, tvb, pinfo, tree)
    elseif sdu_type == 2 then
        return dissect_pc5s(tvb, pinfo, tree)
    end
    tree:add(F.pdcp_data, tvb())
end

-- header: one_to_one, mac_i. clear: true, false, or nil for "as the key identity says". whole: not a first segment.
local function dissect_pdcp(tvb, pinfo, tree, header, clear, whole)
    local trailer = (header.mac_i and whole) and 4 or 0
    if tvb:len() < 5 + trailer then
        return add_malformed(tree, tvb:range(), "The PDU is shorter than its PDCP header and trailer")
    end
    local item = tree:add(sidelink, tvb(0, 5), header.one_to_one and "PDCP, one-to-one" or "PDCP, one-to-many")
    local sdu_type = add_bits(item, F.sdu_type, tvb, 0, 3)
    local keyed
    if header.one_to_one then
        item:add(F.kd_sess_id, tvb(1, 2))
        keyed = tvb(1, 2):uint() ~= 0
    else
        add_bits(item, F.pgk_index, tvb, 3, 5)
        item:add(F.ptk_id, tvb(1, 2))
        keyed = tvb(0, 1):bitfield(3, 5) ~= 0 or tvb(1, 2):uint() ~= 0
    end
    item:add(F.pdcp_sn, tvb(3, 2))
    pinfo.cols.info:append(string.format(" PDCP %s SN=%d", SDU_TYPES[sdu_type] or "reserved", tvb(3, 2):uint()))
    if trailer > 0 then
        item:add(F.mac_i, tvb(tvb:len() - trailer, trailer))
    end

    local length = tvb:len() - 5 - trailer
    if length == 0 then
        return
    end
    -- A security mode command is the one protected message that is never ciphered.
    local command = header.mac_i and sdu_type == 2 and tvb(5, 1):uint() == DIRECT_SECURITY_MODE_COMMAND
    if clear == nil then
        clear = not keyed or command or sidelink.prefs.null_ciphering
    end
    if clear and whole then
        dissect_pdcp_sdu(tvb(5, length):tvb(), pinfo, tree, sdu_type)
    else
        tree:add(F.pdcp_data, tvb(5, length))
    end
end

local function standalone_pdcp(name, description, header)
    local proto = Proto(name, description)
    function proto.dissector(tvb, pinfo, tree)
        pinfo.cols.protocol = "SL-PDCP"
        pinfo.cols.info = "in the clear"
        dissect_pdcp(tvb, pinfo, tree, header, true, true)
        return tvb:len()
    end
end

standalone_pdcp("sidelink-pdcp", "Sidelink PDCP, one-to-many", {})
standalone_pdcp("sidelink-pdcp-one-to-one", "Sidelink PDCP, one-to-one", { one_to_one = true })
standalone_pdcp("sidelink-pdcp-one-to-one-mac-i", "Sidelink PDCP, one-to-one with MAC-I", { one_to_one = true, mac_i = true })

-- RLC UM with the 5-bit sequence number                                                     TS 36.322 §6.2.1.3

local function dissect_rlc(tvb, pinfo, tree, header)
    if tvb:len() < 1 then
        return
    end
    local item = tree:add(sidelink, tvb(0, 1), "RLC UM, 5-bit SN")
    local framing = add_bits(item, F.rlc_fi, tvb, 0, 2)
    local more = add_bits(item, F.rlc_extension, tvb, 2, 1)
    local sn = add_bits(item, F.rlc_sn, tvb, 3, 5)
    pinfo.cols.info:append(string.format(" [RLC SN=%d FI=%d]", sn, framing))

    -- Each length indicator has 12 bits with its extension bit; an odd number of them is padded to a whole octet.
    local lengths, bit = {}, 8
    while more == 1 do
        if bit + 12 > tvb:len() * 8 then
            return add_malformed(item, tvb:range(), "The PDU ends within its length indicators")
        end
        more = tvb(math.floor(bit / 8), 2):bitfield(bit % 8, 1)
        lengths[#lengths + 1] = add_bits(item, F.rlc_li, tvb, bit + 1, 11)
        bit = bit + 12
    end
    local at = math.ceil(bit / 8)
    item:set_len(math.min(at, tvb:len()))

    local sum = at
    for _, length in ipairs(lengths) do
        sum = sum + length
        if length == 0 or sum >= tvb:len() then
            return add_malformed(item, tvb:range(), "The length indicators do not fit the PDU")
        end
    end
    lengths[#lengths + 1] = tvb:len() - sum

    local began_before, goes_on = framing >= 2, framing % 2 == 1
    for n, length in ipairs(lengths) do
        if length > 0 then
            local element = tvb(at, length)
            if n == 1 and began_before then
                tree:add(F.rlc_data, element)
            else
                dissect_pdcp(element:tvb(), pinfo, tree, header, nil, not (n == #lengths and goes_on))
            end
        end
        at = at + length
    end
end

-- The SDUs of SL-SCH, after Wireshark's own dissector                                       TS 36.321 §6.1.6
--
-- Wireshark 4.0 has the fields mac-lte.slsch.lcid and mac-lte.slsch.sdu, but it passes over the SDUs of LCIDs 28 to 30
-- without counting their octets, and those after them then begin at the wrong place. So the PDU is split here again.

local mac_pdu = Field.new("mac-lte")
local mac_version = Field.new("mac-lte.slsch.version")

-- The SDUs of an SL-SCH PDU, { lcid, offset, length } each, or nil and what is wrong.
local function split_sl_sch(tvb)
    local at = tvb(0, 1):bitfield(0, 4) == 3 and 7 or 6
    local sdus, more = {}, 1
    while more == 1 do
        if at >= tvb:len() then
            return nil, "The PDU ends within its subheaders"
        end
        more = tvb(at, 1):bitfield(2, 1)
        local sdu = { lcid = tvb(at, 1):bitfield(3, 5) }
        at = at + 1
        -- The last subheader has no length, and padding has none wherever it is.
        if more == 1 and sdu.lcid ~= LCID_PADDING then
            local long = at < tvb:len() and tvb(at, 1):bitfield(0, 1) == 1
            local octets = long and 2 or 1
            if at + octets > tvb:len() then
                return nil, "The PDU ends within its subheaders"
            end
            sdu.length = tvb(at, octets):bitfield(1, 8 * octets - 1)
            at = at + octets
        end
        if sdu.lcid ~= LCID_PADDING then
            sdus[#sdus + 1] = sdu
        end
    end
    for _, sdu in ipairs(sdus) do
        sdu.offset = at
        sdu.length = sdu.length or (tvb:len() - at)
        at = at + sdu.length
        if at > tvb:len() then
            return nil, "The lengths of the SDUs do not fit the PDU"
        end
    end
    return sdus
end

local function dissect_sdus(tvb, version, pinfo, tree)
    local sdus, problem = split_sl_sch(tvb)
    if sdus == nil then
        return add_malformed(tree:add(sidelink, tvb()), tvb:range(), problem)
    elseif #sdus == 0 then
        return
    end
    local root = tree:add(sidelink, tvb())
    for _, sdu in ipairs(sdus) do
        if sdu.length > 0 then
            local signalling = sdu.lcid >= LCID_UNPROTECTED and sdu.lcid <= LCID_PROTECTED
            local header = {
                one_to_one = signalling or version == 2,
                mac_i = sdu.lcid == LCID_SECURITY_MODE or sdu.lcid == LCID_PROTECTED,
            }
            local range = tvb(sdu.offset, sdu.length)
            local channel = root:add(sidelink, range, string.format("Logical channel %d", sdu.lcid))
            channel:add(F.lcid, sdu.lcid):set_generated()
            dissect_rlc(range:tvb(), pinfo, channel, header)
        end
    end
end

local function dissect_sl_sch(pinfo, tree)
    local pdu, version = mac_pdu(), mac_version()
    if pdu ~= nil and version ~= nil and pdu.len >= 6 then
        dissect_sdus(pdu.range:tvb(), version.value, pinfo, tree)
    end
end

-- A MAC PDU that ends with PC5 signalling: Wireshark 4.0 does not count its octets and calls it malformed.

local mac = Proto("sidelink-mac", "Sidelink MAC")

function mac.dissector(tvb, pinfo, tree)
    pinfo.cols.protocol = "SL-SCH"
    pinfo.cols.info = "MAC PDU with PC5 signalling"
    local item = tree:add(mac, tvb())
    if tvb:len() < 7 then
        add_malformed(item, tvb:range(), "A MAC PDU of SL-SCH has seven octets or more")
        return tvb:len()
    end
    dissect_sdus(tvb, tvb(0, 1):bitfield(0, 4), pinfo, item)
    return tvb:len()
end

-- Metadata of a packet                                                      recordings/src/pcap/metadata.rs

local METADATA_LEN, METADATA_VERSION = 36, 1
local unknown_tags = Field.new("exported_pdu.unknown_tag.val")

local function metadata_of_packet()
    for _, tag in ipairs({ unknown_tags() }) do
        if tag.len == METADATA_LEN and tag.range(0, 1):uint() == METADATA_VERSION then
            return tag.range
        end
    end
end

-- Adds the fields that the flags name; returns a short text for the Info column, source and destination.
local function add_metadata(range, tree)
    local flags = range(2, 1):uint()
    local function has(flag)
        return math.floor(flags / flag) % 2 == 1
    end
    local item = tree:add(sidelink, range, "LTE sidelink, " .. (CHANNELS[range(1, 1):uint()] or "?"))
    item:add(F.channel, range(1, 1))
    local words = {}
    if has(1) then
        item:add(F.prb, range(4, 2))
        item:add(F.prbs, range(6, 2))
        words[#words + 1] = string.format("PRB %d+%d", range(4, 2):uint(), range(6, 2):uint())
    end
    if has(4) then
        item:add(F.mcs, range(3, 1))
        words[#words + 1] = string.format("MCS %d", range(3, 1):uint())
    end
    if has(8) then
        item:add(F.priority, range(25, 1))
    end
    if has(16) then
        item:add(F.group, range(26, 1))
    end
    if has(2) then
        local snr, cfo = range(8, 2):int() / 10, range(12, 4):int()
        item:add(F.snr, range(8, 2), snr)
        item:add(F.evm, range(10, 2), range(10, 2):uint() / 10)
        item:add(F.cfo, range(12, 4), cfo)
        item:add(F.delay, range(16, 4), range(16, 4):int() / 1000)
        words[#words + 1] = string.format("%.1f dB %d Hz", snr, cfo)
    end
    item:add(F.subframe, range(20, 4))
    item:add(F.transmissions, range(24, 1))
    local source, destination
    if has(32) then
        item:add(F.source, range(29, 3))
        source = string.format("%06x", range(29, 3):uint())
    end
    if has(64) then
        item:add(F.destination, range(33, 3))
        destination = string.format("%06x", range(33, 3):uint())
    end
    return table.concat(words, " "), source, destination
end

function sidelink.dissector(_, pinfo, tree)
    local range = metadata_of_packet()
    if range ~= nil then
        local text, source, destination = add_metadata(range, tree)
        -- addresses of an IP packet within stay
        if source and tostring(pinfo.cols.src) == "" then
            pinfo.cols.src = source
        end
        if destination and tostring(pinfo.cols.dst) == "" then
            pinfo.cols.dst = destination
        end
        if text ~= "" then
            pinfo.cols.info:append(" [" .. text .. "]")
        end
    end
    dissect_sl_sch(pinfo, tree)
end

register_postdissector(sidelink)

-- PC5_DISCOVERY                                                                             TS 24.334 §11.2.5

local discovery = Proto("sidelink-pc5-discovery", "Sidelink PC5_DISCOVERY")

-- Content types with a name of their own for the model: { model A, model B }.
local SHORT_NAMES = {
    [0] = { "announcement", "response" }, [1] = { "query", "query" },
    [4] = { "relay announcement", "relay response" }, [5] = { "relay solicitation", "relay solicitation" },
    [6] = { "group member announcement", "group member response" },
    [7] = { "group member solicitation", "group member solicitation" },
    [8] = { "relay additional information", "relay additional information" },
}
local COMPOSITION_RELAY = 0x80

local function dissect_open_code(tvb, tree)
    local item = tree:add(F.code, tvb(1, 23))
    add_bits(item, F.plmn_scope, tvb, 8, 2)
    add_bits(item, F.mcc, tvb, 12, 10)
    add_bits(item, F.mnc, tvb, 22, 10)
    item:add(F.temporary_id, tvb(4, 20))
end

-- Octets 2 to 24.
local function dissect_content(tvb, tree, discovery_type, content_type)
    if content_type <= 1 then
        if discovery_type == 1 then
            return dissect_open_code(tvb, tree)
        end
        tree:add(F.code, tvb(1, 23))
    elseif content_type == 4 then
        tree:add(F.service_code, tvb(1, 3))
        tree:add(F.info, tvb(4, 6))
        tree:add(F.relay_id, tvb(10, 3))
        tree:add(F.status, tvb(13, 1))
    elseif content_type == 5 then
        tree:add(F.service_code, tvb(1, 3))
        tree:add(F.info, tvb(4, 6))
        tree:add(F.composition, tvb(10, 1))
        if tvb(10, 1):uint() >= COMPOSITION_RELAY then
            tree:add(F.relay_id, tvb(11, 3))
        end
    elseif content_type == 6 then
        tree:add(F.group_id, tvb(1, 3))
        tree:add(F.info, tvb(4, 6))
        tree:add(F.ue_id, tvb(10, 3))
    elseif content_type == 7 then
        tree:add(F.group_id, tvb(1, 3))
        tree:add(F.info, tvb(4, 6))
        tree:add(F.composition, tvb(10, 1))
        local target = tvb(10, 1):bitfield(0, 2)
        if target == 2 then
            tree:add(F.target_user, tvb(11, 6))
        elseif target == 1 then
            tree:add(F.target_group, tvb(11, 3))
        else
            tree:add(F.body, tvb(11, 13))
        end
    elseif content_type == 8 then
        tree:add(F.service_code, tvb(1, 3))
        tree:add(F.relay_id, tvb(4, 3))
        tree:add(F.info, tvb(7, 6))
        tree:add(F.composition, tvb(13, 1))
        local more = tvb(13, 1):bitfield(0, 2)
        if more == 1 then
            tree:add(F.ecgi, tvb(14, 7))
        elseif more == 2 then
            tree:add(F.tmgi, tvb(14, 6))
            tree:add(F.mbms_group, tvb(20, 3))
        else
            tree:add(F.body, tvb(14, 10))
        end
    else
        tree:add(F.body, tvb(1, 23))
    end
end

function discovery.dissector(tvb, pinfo, tree)
    pinfo.cols.protocol = "PC5-DISC"
    local item = tree:add(discovery, tvb())
    if tvb:len() ~= 29 then
        add_malformed(item, tvb:range(), "A PC5_DISCOVERY message has 29 octets")
        return tvb:len()
    end
    local message_type = item:add(F.message_type, tvb(0, 1))
    local discovery_type = add_bits(message_type, F.discovery_type, tvb, 0, 2)
    local content_type = add_bits(message_type, F.content_type, tvb, 2, 4)
    local model = add_bits(message_type, F.model, tvb, 6, 2)
    local name
    if discovery_type == 3 then
        -- The project's experiments: their blocks need not keep the MIC and the counter where the others have them.
        item:add(F.body, tvb(1, 28))
        name = string.format("experiment 0x%02x", tvb(0, 1):uint())
    else
        dissect_content(tvb, item, discovery_type, content_type)
        item:add(F.mic, tvb(24, 4))
        item:add(F.utc_lsb, tvb(28, 1))
        local short = SHORT_NAMES[content_type]
        local content = short and short[model == 2 and 2 or 1] or string.format("content type %d", content_type)
        name = DISCOVERY_TYPES[discovery_type] .. " " .. content
    end
    pinfo.cols.info = name
    item:append_text(": " .. name)
    return tvb:len()
end

-- SCI                                                                                       TS 36.212 §5.4.3

local sci = Proto("sidelink-sci", "Sidelink SCI")

function sci.dissector(tvb, pinfo, tree)
    pinfo.cols.protocol = "SL-SCI"
    local item = tree:add(sci, tvb())
    if tvb:len() < 2 then
        add_malformed(item, tvb:range(), "An SCI has two octets or more")
        return tvb:len()
    end
    local format, octets = tvb(0, 1):uint(), math.ceil(tvb(1, 1):uint() / 8)
    local length = (format == 0) and 8 or 7
    item:add(F.sci_format, tvb(0, 1))
    if 2 + octets > tvb:len() or octets == 0 then
        add_malformed(item, tvb:range(), "The bits of the SCI do not fit the packet")
        return tvb:len()
    end
    item:add(F.sci_bits, tvb(2, octets))
    local text = string.format("SCI %d", format)
    if tvb:len() < 2 + octets + length then
        text = text .. ": fields not read, the pool is not known"
    elseif format == 0 then
        local fields = tvb(2 + octets, length)
        item:add(F.hopping, fields(0, 1))
        item:add(F.rb_assignment, fields(1, 2))
        item:add(F.trp, fields(3, 1))
        item:add(F.timing_advance, fields(5, 2))
        text = string.format("%s: group %d, I_TRP %d", text, fields(7, 1):uint(), fields(3, 1):uint())
    else
        local fields = tvb(2 + octets, length)
        local reservation = fields(1, 2):uint()
        item:add(F.reservation, fields(1, 2))
        item:add(F.frequency_resource, fields(3, 1))
        item:add(F.gap, fields(4, 1))
        item:add(F.retransmission, fields(6, 1))
        local every = (reservation == 0xffff) and "?" or string.format("%d ms", reservation)
        text = string.format("%s: priority %d, reservation %s, gap %d", text, fields(0, 1):uint(), every, fields(4, 1):uint())
        if fields(6, 1):uint() == 1 then
            text = text .. ", retransmission"
        end
    end
    pinfo.cols.info = text
    item:append_text(": " .. text)
    return tvb:len()
end

-- A transport block of something else than TS 36.321: a test pattern, a text

local block = Proto("sidelink-block", "Sidelink transport block")

function block.dissector(tvb, pinfo, tree)
    pinfo.cols.protocol = "SL-SCH"
    pinfo.cols.info = string.format("transport block of %d octets, no MAC PDU", tvb:len())
    if tvb:len() > 0 then
        tree:add(block, tvb()):add(F.block, tvb())
    end
    return tvb:len()
end
