# SPDX-License-Identifier: Apache-2.0
"""Names of the TALQ data model 2.7.1 that documents are checked by, and which of its functions are taken, left or refused."""

import re

VERSION = "2.7.1"
NOBODY = "00000000-0000-0000-0000-000000000000"

SERVICES = frozenset(
    """ConfigurationService ControlService DataCollectService GroupManagementService DataPackageService AssetManagementService
    DaliProtocolService""".split()
)
STATES = frozenset(
    """IntegerState FloatState BooleanState TextState RGBState LevelState PositionedTextState CCTColorState RGBWAFColorState
    XYColorState LevelAndCCTColorState LevelAndRGBWAFColorState LevelAndXYColorState""".split()
)
UNITS = frozenset(
    """Amperes AmperesPerHour CubicMeters CubicMetersPerSecond Date DateTime Days dBm DaliUnit Decibels DecibelsMilliWatts
    Degree360 Degrees DegreesCelcius g-force Hectopascal Hertz Hours Illuminance Joules Kelvin Kilograms KilometersPerHour
    KiloVoltAmpere KiloVoltAmpereHours KiloVoltAmpereReactive KiloVoltAmpereReactiveHours KiloWatt KiloWattHours Lumens
    LumensPerWatt Meters MetersPerSecond MicrogramsPerCubicMeter MilliAmperes MilligramsPerLiter Millimeters
    MillimetersPerHour NephelometricTurbidityUnit None PartsPerMillion PartsPerThousand Percent Seconds SiemenPerMeter
    SquareMeters Time VoltAmpereHours VoltAmpereReactive VoltAmperes VoltPerSecond Volts Watt Watts WattsPerSquareMeter
    Years ManufacturerDefined Dimensionless DegreesFahrenheit Mole Radian Steradian Newtons Pascal PSI Coulombs Farads Ohms
    Siemens Weber Tesla Henry AmperesPerMeter VoltsPerMeter WattHours Lux Candela CandelaPerSquareMeter Becquerel Gray
    Sievert Katal MetersPerSecondSquared KilogramsPerCubicMeter KilogramsPerSquareMeter CubicMetersPerKilogram Foot
    NewtonMeters PartsPerTenThousand""".split()
)
TYPES = frozenset(
    """LampType LuminaireType DriverType ControllerType BracketType ControlGearDaliPart102Type ControlDeviceDaliPart103Type
    LuminaireDataDaliPart251Type EnergyDataDaliPart252Type DiagnosticsAndMaintenanceDataDaliPart253Type
    LuminaireMountedControlDeviceDaliPart351Type""".split()
)
SCOPES = frozenset(("configuration", "measurement", "event", "operational"))
ATTRIBUTES = frozenset(
    f"Attribute{end}"
    for end in """Binary Boolean BooleanState CCTColorState CabinetActuatingType CabinetSegmentsConfiguration Command ContentsType
    DateTime FactorSense Float FloatKVPArray FloatKVPArrayValue FloatState GasName Integer IntegerState LevelAndCCTColorState
    LevelAndRGBWAFColorState LevelAndXYColorState LevelState LocalOverride Location LogData LuminaireConnectionType MountingOption
    Orientation ParkingSlotDataArray ParkingSlotOccupancyStatus Percent PositionedTextState PowerSource RGBState RGBWAFColorState
    RoadUser State String StringArray IntegerArray SupplyType TextState TrafficDirection Uri Velocity WindDirection XYColorState
    DaliOccupancyState DaliUnit DaliQuantity""".split()
) | {"Attribute"}
EVENTS = frozenset(
    """abnormalNoiseDetected absoluteLampPowerTooHigh absoluteLampPowerTooLow applicationControllerError badParkingDetected
    batteryEmpty batteryFull batteryLevelTooLow batteryMode batteryShutdown blockingVehicleDetected cabinetDoorOpen calendarChange
    changeReleaseFailure changingRelease charging chlorineTooHigh circuitBreakerTripped communicationFailure conductanceTooHigh
    conductivityTooHigh contactorError containerFull containerTampered contentsTampered controlGearComFailure
    controlGearCommFailure controlGearExternalSupplyOvervoltage controlGearExternalSupplyUndervoltage controlGearFailure
    controlGearOutputPowerLimitation controlGearOverallFailureCondition controlGearThermalDerating controlGearThermalShutdown
    currentTooHigh currentTooLow cyclingFailure deviceMalfunction deviceReset dimmingFailure dissolvedOxygenTooLow fireDetected
    flowRateTooHigh flowRateTooLow fluidLevelTooHigh fluidLevelTooLow forbiddenParkingDetected forbiddenVehicleDetected
    functionError gasConcentrationTooHigh grillOpened hardwareUpdated heavyTrafficDetected highPower highTemperature
    humidityTooHigh humidityTooLow impactDetected inputDeviceError installationMode instanceError invalidAddress invalidCalendar
    invalidConfig invalidLampType invalidLoggerConfig invalidProgram isOccupied lampFailure lampPowerTooHigh lampPowerTooLow
    lampUnexpectedOn lampVoltageTooHigh lampVoltageTooLow lastSyncError leakageDetected levelTooHigh levelTooLow levelWarning
    lightSourceOpenCircuit lightSourceOverallFailureCondition lightSourceShortCircuit lightSourceThermalDerating
    lightSourceThermalShutdown lightStateChange limitError localOverride locationChanged locationUpdated lowTemperature
    maintenanceMode movementDetected neutralCurrentTooHigh newCmsAttached NH3TooHigh NH4TooHigh NO3TooHigh noiseTooHigh
    notInProperPosition occupancyChangeToOccupied occupancyChangeToVacant orientationChanged orpTooLow overCurrentCharge
    overCurrentDischarge overfull overstayDetected packageChangeFailure packageDownloaded phase1ActivePowerTooHigh
    phase1ActivePowerTooLow phase1CurrentTooHigh phase1CurrentTooLow phase1PowerFactorTooLow phase1VoltageTooHigh
    phase1VoltageTooLow phase2ActivePowerTooHigh phase2ActivePowerTooLow phase2CurrentTooHigh phase2CurrentTooLow
    phase2PowerFactorTooLow phase2VoltageTooHigh phase2VoltageTooLow phase3ActivePowerTooHigh phase3ActivePowerTooLow
    phase3CurrentTooHigh phase3CurrentTooLow phase3PowerFactorTooLow phase3VoltageTooHigh phase3VoltageTooLow photocellOutputOn
    pHTooHigh pHTooLow pm10TooHigh pm1TooHigh pm2-5TooHigh powerCycleSeen powerFactorTooLow presenceStatusChanged programChange
    relayFailure releaseChanged releaseMismatch salinityTooHigh salinityTooLow sensorOutputOn softwareUpdating stateChange
    supplyLoss supplyVoltageTooHigh supplyVoltageTooLow switchingErrorOff switchingErrorOn targetCommandChange
    targetLightCommandChange temperatureTooHigh temperatureTooLow totalCurrentTooHigh totalCurrentTooLow totalDissolvedGasTooHigh
    totalDissolvedGasTooLow totalDissolvedSolidsTooHigh totalPowerTooHigh totalPowerTooLow totalSuspendedSolidsTooHigh
    turbidityTooHigh weightTooHigh weightTooLow""".split()
)

# Functions that are used, and of each only these attributes are ever kept; everything else that is announced is forgotten.
KEPT = {
    "BasicFunction": frozenset(("assetId", "swVersion")),
    "GatewayFunction": frozenset(("cmsUri", "cmsAddress", "gatewayUri", "gatewayAddress", "vendor", "crlUrn")),
    "CommunicationFunction": frozenset(("communicationFailure",)),
    "TimeFunction": frozenset(("currentTime",)),
    "LampActuatorFunction": frozenset(
        ("defaultLightState", "targetLightCommand", "feedbackLightCommand", "actualLightState", "calendarID", "cloEnabled")
    ),
    "LampMonitorFunction": frozenset(
        "activePower reactivePower activeEnergy operatingHours numberOfLamps lampFailure supplyLoss actuatorReference".split()
    ),
    "ElectricalMeterFunction": frozenset(("totalPower", "totalVAR", "totalActiveEnergy", "supplyLoss")),
    "LightSensorFunction": frozenset(("lightLevel",)),
    "PrecipitationSensorFunction": frozenset(("precipitationRate",)),
}

# Functions that tell of somebody at a place and a time, however few: they are refused where they are announced.
REFUSED = {
    "PresenceSensorFunction": "it tells that somebody stands at a lamp, at the second",
    "MovementSensorFunction": "it tells that something moved at a place, at the second",
    "OccupancySensorDaliPart303InstanceFunction": "it tells that somebody stands below a lamp, at the second",
    "BinarySensorFunction": "its one bit is a motion detector's as a rule: it tells that somebody is there",
    "GeneralPurposeSensorDaliPart306InstanceFunction": "its quantities include the signal strength of beacons that people carry",
    "ParkingSensorFunction": "it follows one vehicle at one place",
    "ParkingCameraSensorFunction": "it looks at single vehicles with a camera",
    "LocationSensorFunction": "it follows where one object is",
    "AccelerometerFunction": "it follows the movement of one object",
    "NoiseMonitoringSensorFunction": "a microphone in the street hears people",
    "WasteContainerFunction": "it tells when a household throws something away",
}
COUNTER = "TrafficCounterFunction"
RADIO = re.compile(r"blue\s*-?tooth|\bble\b|wi-?\s*fi|wlan|beacon|probe|\bmac\b|rfid|camera|video|anpr|alpr|plate", re.IGNORECASE)
COUNTING = re.compile(
    r"(inductive|induction)?\s*loop|radar|microwave|magnet|infra-?red|laser|lidar|ultra-?sonic|piezo|pneumatic|axle",
    re.IGNORECASE,
)
COUNTER_REFUSED = frozenset(("actualUserNumber",))  # how many are there this moment, not how many passed in a while
SAMPLING_MIN_S = 300
PERSONAL = re.compile(
    r"plate|face|bio-?metr|imei|imsi|blue-?tooth|wi-?fi|mac-?addr|beacon|probe|phone|person|pedestrian-?id|vehicle-?id|user-?id"
    r"|trip-?id|passport|e-?mail|rfid|trajector|track-?id|image|picture|video|audio|camera|ident(ity|ified)",
    re.IGNORECASE,
)

# Events that are listened to, by what they mean for the lamps; whatever else is reported is counted and forgotten.
LAMP_EVENTS = {
    "lampFailure": "lamp_failed",
    "dimmingFailure": "lamp_failed",
    "relayFailure": "lamp_failed",
    "controlGearCommFailure": "lamp_failed",
    "cyclingFailure": "lamp_failed",
    "lampUnexpectedOn": "lamp_failed",
    "lampPowerTooLow": "power_off_range",
    "lampPowerTooHigh": "power_off_range",
    "absoluteLampPowerTooLow": "power_off_range",
    "absoluteLampPowerTooHigh": "power_off_range",
    "powerFactorTooLow": "power_off_range",
    "highTemperature": "hot",
    "leakageDetected": "leakage",
    "supplyLoss": "supply_lost",
    "communicationFailure": "out_of_touch",  # says nothing about the lamp
    "invalidCalendar": "calendar_refused",
    "invalidProgram": "calendar_refused",
}
